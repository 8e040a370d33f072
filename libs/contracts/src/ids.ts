import { createHash, randomBytes } from 'node:crypto';

/** What an id names; its prefix, as OpenAI's. */
export const ID_PREFIXES = {
  file: 'file-',
  batch: 'batch_',
  chat: 'chatcmpl-',
  webhook: 'wh_',
  upload: 'upload_',
  part: 'part_',
} as const;
export type IdKind = keyof typeof ID_PREFIXES;

/** 24 random hexadecimal digits after the prefix. */
export function newId(kind: IdKind): string {
  return `${ID_PREFIXES[kind]}${randomBytes(12).toString('hex')}`;
}

/** The request that answers a line of a batch: always the same for the same line. @param line counted from 1 */
export function lineRequestId(batchId: string, line: number): string {
  return `${batchId}_${line}`;
}

/** The file that an upload in parts becomes: always the same, however often it is completed. */
export function uploadedFileId(uploadId: string): string {
  return `${ID_PREFIXES.file}${shortDigest(`file of ${uploadId}`)}`;
}

/** A question of a request, which with `madakv.extract` has several: the first has the request's own id. @param number counted from 1 */
export function questionId(requestId: string, number: number): string {
  return number === 1 ? requestId : `${requestId}.${number}`;
}

/** Id of a line's result in the output or error file. */
export function batchResultId(requestId: string): string {
  return `batch_req_${shortDigest(requestId)}`;
}

/** The batch that asks once more what failed of another one. @param nth how many there were before, so that two who ask for it at once ask for the same */
export function retryBatchId(batchId: string, nth: number): string {
  return `${ID_PREFIXES.batch}${shortDigest(`retry ${nth} of ${batchId}`)}`;
}

/** The jobs of lines of a batch that are answered together. @param line the first of them, counted from 1 */
export function lineGroupId(batchId: string, line: number): string {
  return `${lineRequestId(batchId, line)}.group`;
}

/** An event about a batch: always the same for the same end of the same batch, so that it is told of once. */
export function batchEventId(batchId: string, type: string): string {
  return `evt_${shortDigest(`${batchId} ${type}`)}`;
}

/** An event on its way to one webhook. */
export function webhookDeliveryId(eventId: string, webhookId: string): string {
  return `whd_${shortDigest(`${eventId} ${webhookId}`)}`;
}

function shortDigest(of: string): string {
  return createHash('sha256').update(of).digest('hex').slice(0, 24);
}
