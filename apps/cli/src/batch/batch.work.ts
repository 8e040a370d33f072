import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { fileProblem } from '@madakv/requests';
import { documentRequest, upTo, type Question, type RequestFlags } from './batch.input.js';
import { jsonlContent, type JsonlLine } from './jsonl.lines.js';
import { BATCH_ENDPOINT, type BatchLine, type ChatRequest } from '@madakv/contracts';

/** What one line of the results is about. */
export interface WorkItem {
  /** Of the batch's input file, counted from 1. */
  readonly line: number;
  readonly customId: string | undefined;
  /** Columns of the sheet that the results begin with, in order. */
  readonly columns: ReadonlyMap<string, string>;
  /** SHA-256 of the document that is asked about. */
  readonly document?: string;
  /** Why it cannot be asked, as `code: message`. */
  readonly problem?: string;
}

/** A document that is to be uploaded. */
export interface WorkDocument {
  readonly path: string;
  /** As the sheet names it, for messages. */
  readonly name: string;
}

/** Everything that is to be asked in one batch. */
export interface BatchWork {
  /** SHA-256 of all that decides the answers but the server. */
  readonly hash: string;
  /** Each document once, by the SHA-256 of its content. */
  readonly documents: ReadonlyMap<string, WorkDocument>;
  readonly items: readonly WorkItem[];
  /**
   * The batch's input file. The line of an item whose document is not there is blank.
   * @param fileIds of the uploaded documents by SHA-256
   * @returns undefined when there is nothing to ask
   */
  inputFile(fileIds: ReadonlyMap<string, string>): Buffer | undefined;
}

export function jsonlWork(lines: readonly JsonlLine[]): BatchWork {
  const content = jsonlContent(lines);
  return {
    hash: sha256(content),
    documents: new Map(),
    items: lines.map(({ line, customId }) => ({ line, customId, columns: new Map([['custom_id', customId ?? '']]) })),
    inputFile: () => content,
  };
}

/** A document and what is asked about it. */
export interface DocumentItem {
  readonly customId: string;
  /** As it is named, for messages. */
  readonly file: string;
  readonly path: string;
  readonly columns: ReadonlyMap<string, string>;
  /** Why the document cannot be uploaded, as `code: message`. */
  readonly problem?: string;
}

export function questionsWork(questions: readonly Question[], model: string, flags: RequestFlags): Promise<BatchWork> {
  const items = questions.map(({ question, extras, ...item }) => ({
    ...item,
    columns: new Map([['custom_id', item.customId], ['file', item.file], ['question', question], ...extras]),
  }));
  return documentsWork(items, flags, (index, fileId, ofEach) =>
    documentRequest(model, fileId, questions[index].question, ofEach),
  );
}

/**
 * One request an item.
 * @param bodyOf the request of an item: its index, the id of its uploaded document, and what the flags say about it
 */
export async function documentsWork(
  documents: readonly DocumentItem[],
  flags: RequestFlags,
  bodyOf: (index: number, fileId: string, flags: RequestFlags) => ChatRequest,
): Promise<BatchWork> {
  const contents = await readDocuments(documents);
  const several = new Set([...contents.values()].map(({ sha256: hash }) => hash)).size > 1;
  const { pages } = flags;
  const ofEach = several && pages !== undefined ? { ...flags, pages: upTo(pages) } : flags;
  const items = documents.map(({ customId, path, columns, problem }, index): WorkItem => {
    const content = contents.get(path);
    const reason = problem ?? content?.problem;
    return {
      line: index + 1,
      customId,
      columns,
      ...(content?.sha256 === undefined ? {} : { document: content.sha256 }),
      ...(reason === undefined ? {} : { problem: reason }),
    };
  });
  const lineOf = (index: number, fileId: string): BatchLine => ({
    custom_id: documents[index].customId,
    method: 'POST',
    url: BATCH_ENDPOINT,
    body: bodyOf(index, fileId, ofEach),
  });
  const inputFile = (fileIdOf: (item: WorkItem) => string | undefined): Buffer | undefined => {
    const lines = items.flatMap((item, index) => {
      const fileId = fileIdOf(item);
      if (fileId === undefined) return [];
      return [{ line: item.line, content: Buffer.from(JSON.stringify(lineOf(index, fileId))) }];
    });
    return lines.length === 0 ? undefined : jsonlContent(lines);
  };
  const problems = items.map(({ problem = '' }) => problem).join('\n');
  return {
    // A document that is not there yet makes other work of it than the one that comes in its place.
    hash: sha256(Buffer.concat([inputFile(({ document }) => document) ?? Buffer.alloc(0), Buffer.from(problems)])),
    documents: new Map(
      documents.flatMap(({ path, file }) => {
        const hash = contents.get(path)?.sha256;
        return hash === undefined ? [] : [[hash, { path, name: file }]];
      }),
    ),
    items,
    inputFile: (fileIds) => inputFile(({ document }) => (document === undefined ? undefined : fileIds.get(document))),
  };
}

interface DocumentContent {
  readonly sha256?: string;
  readonly problem?: string;
}

/** Content of each document, by its path. */
async function readDocuments(
  documents: readonly Pick<DocumentItem, 'path' | 'file' | 'problem'>[],
): Promise<ReadonlyMap<string, DocumentContent>> {
  const found = new Map<string, DocumentContent>();
  for (const { path, file, problem } of documents) {
    if (problem !== undefined || found.has(path)) continue;
    found.set(
      path,
      await fileSha256(path).then(
        (hash) => ({ sha256: hash }),
        (error: unknown) => ({ problem: `invalid_document: ${file}: ${fileProblem(error)}` }),
      ),
    );
  }
  return found;
}

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

async function fileSha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path)) hash.update(piece as Buffer);
  return hash.digest('hex');
}
