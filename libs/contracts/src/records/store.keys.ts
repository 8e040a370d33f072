import { ID_PREFIXES, lineRequestId } from '../ids.js';

/** Keys of the FileStore. Nothing else builds them. */
export const storeKeys = {
  /** Content of an uploaded file, or of a batch's output. */
  file: (fileId: string): string => `files/${fileId}`,
  /** Content of a part of an upload, until it is completed or given up. */
  uploadPart: (uploadId: string, partId: string): string => `uploads/${uploadId}/${partId}`,
  /** Folder of all that belongs to one request; deleted with its batch's intermediate files, but for the trace. */
  request: (requestId: string): string => `requests/${requestId}`,
  body: (requestId: string): string => `requests/${requestId}/body.json`,
  prepared: (requestId: string): string => `requests/${requestId}/prepared.json`,
  /** A RequestAnswer; the Outcome names the one that stands. @param sha256 of its content */
  answer: (requestId: string, sha256: string): string => `requests/${requestId}/answer.${sha256}.json`,
  /** In which order the lines of a batch are run. It lies beside those of its lines, which count from 1. */
  order: (batchId: string): string => `requests/${lineRequestId(batchId, 0)}/order.jsonl`,
  /** Text of a request's prompt, or of one of its questions', token by token. */
  text: (requestId: string): string => `texts/${requestId}.json`,
  trace: (requestId: string): string => `traces/${requestId}.json`,
  /** What is known of a document: how many pages it has. */
  document: (documentSha256: string): string => `documents/${documentSha256}/document.json`,
  /** A page of a document, shared by all requests about it. @param drawing hash of how it was drawn */
  page: (documentSha256: string, drawing: string, page: number): string =>
    `documents/${documentSha256}/${drawing}/${page}.png`,
  image: (sha256: string): string => `images/${sha256}`,
} as const;

/**
 * Beginnings of keys: one of 256 parts of each kind of file, so that a look at what is old stays small.
 * @param digits two hexadecimal digits, with which ids and hashes begin
 */
export const storeParts = (digits: string) =>
  ({
    files: `files/${ID_PREFIXES.file}${digits}`,
    uploads: `uploads/${ID_PREFIXES.upload}${digits}`,
    documents: `documents/${digits}`,
    images: `images/${digits}`,
    texts: [`texts/${ID_PREFIXES.chat}${digits}`, `texts/${ID_PREFIXES.batch}${digits}`],
    chats: `requests/${ID_PREFIXES.chat}${digits}`,
    lines: `requests/${ID_PREFIXES.batch}${digits}`,
    traces: [`traces/${ID_PREFIXES.chat}${digits}`, `traces/${ID_PREFIXES.batch}${digits}`],
  }) as const;
