import { expect, it } from 'vitest';
import { adviceOf, mayPass } from './error.advice.js';

it.each([
  ['encrypted_pdf', 400, /password/, false],
  ['unheard_of_document', 400, /document itself/, false],
  ['unheard_of_server', 503, /send the request again/, true],
  ['engine_crashed', 503, /alone/, true],
  ['batch_cancelled', undefined, /batch of these lines/, true],
  ['line_too_long', undefined, /file_id/, false],
  ['unsupported_parameter', 400, /key that the message names/, false],
  ['unsupported_schema', 400, /keyword of the schema/, false],
  ['text_only_model', 400, /reads images/, false],
  ['toString', 400, /document itself/, false],
])('%s with status %s has an advice, and may pass or not', (code, status, advice, retryable) => {
  expect(adviceOf(code, status)).toMatch(advice);
  expect(mayPass(code, status)).toBe(retryable);
});
