import { ERRORS, type ErrorCode } from './errors.js';

/** What a caller does about an error, for people: one sentence each. */
const ADVICE: Readonly<Record<ErrorCode, string>> = {
  invalid_request: 'Mend the key that the message names; docs/api.md has the schema of requests.',
  invalid_json: 'Mend the JSON at the place that the message names.',
  context_length_exceeded: 'Ask about fewer pages (madakv.pages) or allow a shorter answer (max_completion_tokens).',
  cache_ratio_too_small: 'Raise madakv.cache_ratio, or take a policy that needs less.',
  exceeds_device_memory:
    'Ask about fewer pages, allow a smaller madakv.min_cache_ratio, or serve the model on a larger device.',
  invalid_document: 'The document itself is at fault: open it, save it anew as PDF or PNG, and send that.',
  document_unavailable: 'The document could not be had at that time: send the request again.',
  invalid_api_key: 'Send a key that the gateway knows.',
  not_found: 'Look whether the id is right, and the file not deleted or expired.',
  model_not_found: 'Name a model of GET /v1/models.',
  method_not_allowed: 'Use the method that the message names.',
  request_timeout: 'Send the body without pauses; look at the connection.',
  conflict: 'Look at the state of the object first.',
  too_large: 'Stay below the limit that the message names; large documents go through /v1/files.',
  unsupported_media_type: 'Send JSON, or a form for files.',
  rate_limit_exceeded: 'Wait for as long as Retry-After says.',
  cancelled: 'Nothing: it was cancelled. Send it again if the answer is still wanted.',
  lease_lost:
    'Send it again. If it comes often, look at the load of the machine: a worker could not renew its memory in time.',
  stream_broken: 'Send it again. Without a stream an answer that is begun again is only ever seen whole.',
  budget_unavailable: 'Send it again; whoever runs the system looks at the memory-budget service.',
  storage_unavailable: 'Send it again; whoever runs the system looks at Redis and the file store.',
  worker_stopping: 'Send it again: the process that had it was being stopped.',
  engine_crashed: 'Send it again, alone. If it fails once more, report it with the request id.',
  timeout: 'Send it as a batch, which may take longer, or ask about fewer pages.',
  internal_error: 'Report it with the request id; the log of the system has the details.',
  cross_site_request: 'Sign in on this page and repeat it here.',
};

/** Codes that are a batch's or a document's own. */
const FURTHER: Readonly<Partial<Record<string, string>>> = {
  batch_expired: 'Create a batch of these lines; give it more workers, or send fewer lines at a time.',
  batch_cancelled: 'Create a batch of these lines if their answers are still wanted.',
  line_too_long: 'Upload the document to /v1/files and name it by file_id.',
  invalid_json_line: 'Write one JSON object a line, in UTF-8.',
  encrypted_pdf: 'Remove the password and send the document again.',
  unsupported_parameter: ADVICE.invalid_request,
  unsupported_schema:
    'Mend the keyword of the schema that the message names; docs/api.md lists those that are honoured.',
  text_only_model: 'Name a model that reads images, or send the document as text.',
};

/**
 * @param code as a caller sees it: of this system, of a batch's line, or the finer one of a document
 * @param status of the answer; undefined for a line that was never asked
 */
export function adviceOf(code: string, status?: number): string {
  if (isErrorCode(code)) return ADVICE[code];
  return (Object.hasOwn(FURTHER, code) ? FURTHER[code] : undefined) ?? ADVICE[documentCode(status)];
}

/** Whether the same request may succeed later. Parameters as above. */
export function mayPass(code: string, status?: number): boolean {
  if (code === 'batch_expired' || code === 'batch_cancelled') return true;
  return ERRORS[isErrorCode(code) ? code : documentCode(status)].retryable;
}

/** A code that is not of this system is one of libs/documents. */
function documentCode(status = 400): ErrorCode {
  return status >= 500 ? 'document_unavailable' : 'invalid_document';
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code);
}
