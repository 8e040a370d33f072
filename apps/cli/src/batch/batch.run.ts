import { createHash } from 'node:crypto';
import type { BatchObject, FileObject } from '@madakv/contracts';
import { ApiError } from '../api/api.errors.js';
import type { ApiClient } from '../api/api.client.js';
import type { ServerAccess } from '../api/server.access.js';
import type { CommandIo } from '../command.io.js';
import { answerRow, BatchResults, problemRow } from './batch.results.js';
import { deleteFiles, EXPIRY_S, uploadDocuments } from './batch.uploads.js';
import { watchBatch } from './batch.watch.js';
import type { BatchWork } from './batch.work.js';
import type { KeptUploads } from './kept.uploads.js';
import { PARTS_ABOVE_BYTES, uploadInParts, type PartsMemory } from './part.uploads.js';
import type { ResultLine } from './results.file.js';
import type { RunState, RunStateFile } from './run.state.js';

/** An upload that goes sooner than this is uploaded anew: a batch may run for a day. */
const LEAST_LIFE_S = 25 * 3_600;
/** Results are fetched when a run ends; one that was detached may fetch them for a month. */
const RESULTS_EXPIRY_S = 30 * 24 * 3_600;
/** Time that deleting what was uploaded may take. */
const CLEANING_MS = 60_000;

/** A batch that gave no results, or not all. */
export class BatchFailedError extends Error {
  override readonly name = 'BatchFailedError';
}

export interface BatchRunOptions {
  /** Remembers how far the run has come. */
  readonly stateFile?: RunStateFile;
  /** Documents that earlier runs have left at the server. */
  readonly kept?: KeptUploads;
  /** Whether what is uploaded stays at the server. */
  readonly keepFiles?: boolean;
}

export interface BatchOutcome {
  /** Undefined when there was nothing to ask. */
  readonly batch: BatchObject | undefined;
  /** In the order of the input. */
  readonly lines: readonly ResultLine[];
}

/** One batch from input to results. What was done stands in a file, so that a run that was interrupted goes on. */
export class BatchRun {
  private state: RunState;
  private readonly client: ApiClient;
  /** Ids of documents that are not this run's to delete. */
  private readonly borrowed = new Set<string>();

  constructor(
    private readonly work: BatchWork,
    access: ServerAccess,
    private readonly io: Pick<CommandIo, 'stderr' | 'signal'>,
    private readonly options: BatchRunOptions = {},
  ) {
    this.client = access.client;
    this.state = { version: 1, server: access.identity, input: work.hash, documents: {}, refused: {}, parts: {} };
  }

  /**
   * Uploads what is asked and starts the batch, as far as this has not happened already.
   * @returns the batch's id; undefined when nothing can be asked
   */
  async start(): Promise<string | undefined> {
    await this.takeUp();
    if (this.state.batchId !== undefined) return this.state.batchId;
    if (this.state.inputFileId === undefined) {
      await this.uploadDocuments();
      const content = this.work.inputFile(new Map(Object.entries(this.state.documents)));
      if (content === undefined) return undefined;
      this.keep({ inputFileId: (await this.uploadInput(content)).id });
    }
    const outputExpiry = this.options.keepFiles === true ? {} : { outputExpiresAfterS: RESULTS_EXPIRY_S };
    const { id } = await this.client.createBatch(this.state.inputFileId ?? '', outputExpiry);
    this.keep({ batchId: id });
    return id;
  }

  /**
   * Waits for the batch and fetches its results.
   * @param batchId what `start` returned
   * @throws BatchFailedError when its input was refused as a whole
   */
  async results(batchId: string | undefined): Promise<BatchOutcome> {
    if (batchId === undefined) return { batch: undefined, lines: this.linesOf(new BatchResults()) };
    const batch = await watchBatch(this.client, batchId, this.io.stderr, this.io.signal);
    if (batch.status === 'failed') {
      await this.finish();
      throw new BatchFailedError(`the batch ${batch.id} was refused: ${refusal(batch)}`);
    }
    const results = new BatchResults();
    for (const id of [batch.output_file_id, batch.error_file_id]) {
      if (id !== undefined) await results.add(await this.client.fileContent(id));
    }
    return { batch, lines: this.linesOf(results) };
  }

  /** Forgets the run: what it has uploaded is deleted, or kept on purpose. Whatever comes of that, the results stand. */
  async finish(): Promise<void> {
    const { documents, inputFileId } = this.state;
    if (this.options.keepFiles === true) {
      if (Object.keys(documents).length > 0) this.options.kept?.add(new Map(Object.entries(documents)));
    } else {
      const own = Object.values(documents).filter((id) => !this.borrowed.has(id));
      const client = this.client.detached(AbortSignal.timeout(CLEANING_MS));
      const left = await deleteFiles(client, [...own, ...(inputFileId === undefined ? [] : [inputFileId])]);
      const days = EXPIRY_S / 86_400;
      if (left > 0)
        this.say(`${left} uploads could not be deleted; the server deletes them ${days} days after they came`);
    }
    this.options.stateFile?.remove();
  }

  private linesOf(results: BatchResults): ResultLine[] {
    const refused = new Map(Object.entries(this.state.refused));
    return this.work.items.map((item): ResultLine => {
      const problem = item.problem ?? refused.get(item.document ?? '');
      if (problem !== undefined) return { item, result: undefined, row: problemRow(problem) };
      const result = results.of(item);
      return { item, result, row: answerRow(result) };
    });
  }

  /** Goes on where an interrupted run with the same input on the same server stopped. */
  private async takeUp(): Promise<void> {
    const before = this.options.stateFile?.read();
    if (before === undefined) return;
    if (before.server !== this.state.server || before.input !== this.state.input) {
      const running = before.batchId === undefined ? '' : `; the batch ${before.batchId} goes on without it`;
      this.say(`the run before this one asked something else, or another server: starting anew${running}`);
      return;
    }
    this.state = await this.stillThere(before);
    for (const [hash, id] of Object.entries(before.documents)) {
      if (this.options.kept?.find(hash) === id) this.borrowed.add(id);
    }
    if (this.state.batchId !== undefined) this.say(`going on with the batch ${this.state.batchId}`);
  }

  /** What of an earlier run's state the server still has, as far as it is needed to go on. */
  private async stillThere({ batchId, inputFileId, ...before }: RunState): Promise<RunState> {
    const batch = batchId === undefined ? undefined : await unlessGone(this.client.batch(batchId));
    if (batch !== undefined && (await this.hasResults(batch))) {
      return { ...before, batchId: batch.id, ...(inputFileId === undefined ? {} : { inputFileId }) };
    }
    if (batch !== undefined) this.say(`the results of the batch ${batch.id} are gone: asking again`);
    // The same input would be the same batch.
    else if (inputFileId !== undefined && (await this.lasts(inputFileId))) return { ...before, inputFileId };
    const documents: [hash: string, id: string][] = [];
    for (const [hash, id] of Object.entries(before.documents)) if (await this.lasts(id)) documents.push([hash, id]);
    return { ...before, documents: Object.fromEntries(documents) };
  }

  /** Whether what a batch gave, or will give, can be had. */
  private async hasResults({ output_file_id, error_file_id }: BatchObject): Promise<boolean> {
    for (const id of [output_file_id, error_file_id]) {
      if (id !== undefined && (await unlessGone(this.client.file(id))) === undefined) return false;
    }
    return true;
  }

  private async uploadDocuments(): Promise<void> {
    await this.borrowKept();
    const { documents } = this.state;
    const waiting = new Map([...this.work.documents].filter(([hash]) => !(hash in documents)));
    const expiring = this.options.keepFiles !== true;
    // What was refused before may be taken by now.
    this.state = { ...this.state, refused: {} };
    await uploadDocuments(
      this.client,
      waiting,
      expiring,
      this.parts,
      (hash, uploaded) => {
        if ('id' in uploaded) this.keep({ documents: { ...this.state.documents, [hash]: uploaded.id } });
        else this.keep({ refused: { ...this.state.refused, [hash]: uploaded.problem } });
      },
      this.io,
    );
  }

  private uploadInput(content: Buffer): Promise<FileObject> {
    const [filename, purpose] = ['batch.jsonl', 'batch'] as const;
    if (content.length <= PARTS_ABOVE_BYTES) {
      return this.client.uploadFile(new Blob([new Uint8Array(content)]), filename, purpose, this.expiry);
    }
    const sha256 = createHash('sha256').update(content).digest('hex');
    const read = (start: number, bytes: number) => Promise.resolve(content.subarray(start, start + bytes));
    const file = { sha256, bytes: content.length, filename, purpose, ...this.expiry, read };
    return uploadInParts(this.client, file, this.parts);
  }

  /** Documents that an earlier run has left at the server need not be sent. */
  private async borrowKept(): Promise<void> {
    for (const hash of this.work.documents.keys()) {
      const id = hash in this.state.documents ? undefined : this.options.kept?.find(hash);
      if (id === undefined) continue;
      if (await this.lasts(id)) {
        this.borrowed.add(id);
        this.keep({ documents: { ...this.state.documents, [hash]: id } });
      } else this.options.kept?.forget(hash);
    }
  }

  /** Whether a file will be there as long as a batch may run. */
  private async lasts(fileId: string): Promise<boolean> {
    const file = await unlessGone(this.client.file(fileId));
    if (file === undefined) return false;
    return file.expires_at === undefined || file.expires_at > Date.now() / 1000 + LEAST_LIFE_S;
  }

  private get parts(): PartsMemory {
    return {
      find: (sha256) => this.state.parts[sha256],
      keep: (sha256, sent) => {
        const others = Object.entries(this.state.parts).filter(([hash]) => hash !== sha256);
        this.keep({ parts: Object.fromEntries([...others, ...(sent === undefined ? [] : [[sha256, sent] as const])]) });
      },
    };
  }

  private get expiry(): { readonly expiresAfterS?: number } {
    return this.options.keepFiles === true ? {} : { expiresAfterS: EXPIRY_S };
  }

  private keep(change: Partial<RunState>): void {
    this.state = { ...this.state, ...change };
    this.options.stateFile?.write(this.state);
  }

  private say(text: string): void {
    this.io.stderr.write(`${text}\n`);
  }
}

async function unlessGone<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (isGone(error)) return undefined;
    throw error;
  }
}

function isGone(error: unknown): boolean {
  return error instanceof ApiError && error.status === 404;
}

function refusal({ errors }: BatchObject): string {
  const all = errors?.data ?? [];
  const named = all.slice(0, 5).map(({ line, message }) => (line === null ? message : `line ${line}: ${message}`));
  const more = all.length > named.length ? [`and ${all.length - named.length} more`] : [];
  return named.length === 0 ? 'the server does not say why' : [...named, ...more].join('; ');
}
