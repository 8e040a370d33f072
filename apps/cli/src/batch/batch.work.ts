import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { documentRequest, type Question, type RequestFlags } from './batch.input.js';
import { jsonlContent, type JsonlLine } from './jsonl.lines.js';
import { BATCH_ENDPOINT, type BatchLine } from '@madakv/contracts';

/** What one line of the results is about. */
export interface WorkItem {
  /** Of the batch's input file, counted from 1. */
  readonly line: number;
  readonly customId: string | undefined;
  /** Columns of the sheet that the results begin with, in order. */
  readonly columns: Readonly<Record<string, string>>;
}

/** Everything that is to be asked in one batch. */
export interface BatchWork {
  /** SHA-256 of all that decides the answers but the server. */
  readonly hash: string;
  /** Path of each document by the SHA-256 of its content. */
  readonly documents: ReadonlyMap<string, string>;
  readonly items: readonly WorkItem[];
  /** The batch's input file. @param fileIds of the uploaded documents by SHA-256 */
  inputFile(fileIds: ReadonlyMap<string, string>): string;
}

export function jsonlWork(lines: readonly JsonlLine[]): BatchWork {
  const content = jsonlContent(lines);
  return {
    hash: sha256(content),
    documents: new Map(),
    items: lines.map(({ line, customId }) => ({ line, customId, columns: { custom_id: customId ?? '' } })),
    inputFile: () => content,
  };
}

export async function questionsWork(
  questions: readonly Question[],
  model: string,
  flags: RequestFlags,
): Promise<BatchWork> {
  const hashes = new Map<string, string>();
  for (const { path } of questions) if (!hashes.has(path)) hashes.set(path, await fileSha256(path));
  const hashOf = (path: string): string => hashes.get(path) ?? '';
  const lineOf = ({ customId, path, question }: Question, fileIdOf: (sha256: string) => string): BatchLine => ({
    custom_id: customId,
    method: 'POST',
    url: BATCH_ENDPOINT,
    body: documentRequest(model, fileIdOf(hashOf(path)), question, flags),
  });
  const content = (fileIdOf: (sha256: string) => string): string =>
    questions.map((question) => `${JSON.stringify(lineOf(question, fileIdOf))}\n`).join('');
  return {
    hash: sha256(content((hash) => hash)),
    documents: new Map([...hashes].map(([path, hash]) => [hash, path])),
    items: questions.map(({ customId, file, question, extras }, index) => ({
      line: index + 1,
      customId,
      columns: { custom_id: customId, file, question, ...extras },
    })),
    inputFile: (fileIds) => content((hash) => fileIds.get(hash) ?? ''),
  };
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

async function fileSha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path)) hash.update(piece as Buffer);
  return hash.digest('hex');
}
