import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { BatchObject } from '@madakv/contracts';
import { ApiError } from '../api/api.errors.js';
import type { ApiClient } from '../api/api.client.js';
import type { ServerAccess } from '../api/server.access.js';
import type { CommandIo } from '../command.io.js';
import { Progress } from '../terminal/progress.js';
import { answerRow, BatchResults } from './batch.results.js';
import { watchBatch } from './batch.watch.js';
import type { BatchWork } from './batch.work.js';
import type { ResultLine } from './results.file.js';
import type { RunState, RunStateFile } from './run.state.js';

/** Uploads at a time. */
const UPLOADS = 4;

/** A batch that gave no results, or not all. */
export class BatchFailedError extends Error {
  override readonly name = 'BatchFailedError';
}

/** One batch from input to results. What was done stands in a file, so that a run that was interrupted goes on. */
export class BatchRun {
  private state: RunState;
  private readonly client: ApiClient;

  constructor(
    private readonly work: BatchWork,
    access: ServerAccess,
    private readonly stateFile: RunStateFile | undefined,
    private readonly io: Pick<CommandIo, 'stderr' | 'signal'>,
  ) {
    this.client = access.client;
    this.state = { version: 1, server: access.identity, input: work.hash, documents: {} };
  }

  /** Uploads what is asked and starts the batch, as far as this has not happened already. @returns the batch's id */
  async start(): Promise<string> {
    await this.takeUp();
    if (this.state.batchId !== undefined) return this.state.batchId;
    if (this.state.inputFileId === undefined) {
      const fileIds = await this.uploadDocuments();
      const content = new Blob([this.work.inputFile(fileIds)]);
      const { id } = await this.client.uploadFile(content, 'batch.jsonl', 'batch');
      this.keep({ inputFileId: id });
    }
    const { id } = await this.client.createBatch(this.state.inputFileId ?? '');
    this.keep({ batchId: id });
    return id;
  }

  /**
   * Waits for the batch and fetches its results, in the order of the input.
   * @throws BatchFailedError when its input was refused as a whole
   */
  async results(batchId: string): Promise<{ readonly batch: BatchObject; readonly lines: readonly ResultLine[] }> {
    const batch = await watchBatch(this.client, batchId, this.io.stderr, this.io.signal);
    if (batch.status === 'failed') {
      this.stateFile?.remove();
      throw new BatchFailedError(`the batch ${batch.id} was refused: ${refusal(batch)}`);
    }
    const results = new BatchResults();
    for (const id of [batch.output_file_id, batch.error_file_id]) {
      if (id !== undefined) await results.add(await this.client.fileContent(id));
    }
    const lines = this.work.items.map((item): ResultLine => {
      const result = results.of(item);
      return { item, result, row: answerRow(result) };
    });
    return { batch, lines };
  }

  /** Goes on where an interrupted run with the same input on the same server stopped. */
  private async takeUp(): Promise<void> {
    const before = this.stateFile?.read();
    if (before === undefined) return;
    if (before.server !== this.state.server || before.input !== this.state.input) {
      const running = before.batchId === undefined ? '' : `; the batch ${before.batchId} goes on without it`;
      this.say(`the run before this one asked something else, or another server: starting anew${running}`);
      return;
    }
    this.state = before;
    if (before.batchId !== undefined && !(await exists(this.client.batch(before.batchId)))) delete this.state.batchId;
    if (this.state.batchId !== undefined) {
      this.say(`going on with the batch ${this.state.batchId}`);
      return;
    }
    if (before.inputFileId !== undefined && !(await exists(this.client.file(before.inputFileId)))) {
      delete this.state.inputFileId;
    }
    if (this.state.inputFileId !== undefined) return;
    for (const [hash, id] of Object.entries(before.documents)) {
      if (!(await exists(this.client.file(id)))) this.state.documents = without(this.state.documents, hash);
    }
  }

  private async uploadDocuments(): Promise<ReadonlyMap<string, string>> {
    const waiting = [...this.work.documents].filter(([hash]) => !(hash in this.state.documents));
    const total = waiting.length;
    const progress = new Progress(this.io.stderr, 'uploading documents');
    let done = 0;
    const upload = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const [hash, path] = next;
        const content = new Blob([await readFile(path)]);
        const { id } = await this.client.uploadFile(content, basename(path), 'user_data');
        this.keep({ documents: { ...this.state.documents, [hash]: id } });
        progress.update(++done, total);
      }
    };
    try {
      await Promise.all(Array.from({ length: UPLOADS }, upload));
    } finally {
      progress.clear();
    }
    return new Map(Object.entries(this.state.documents));
  }

  private keep(change: Partial<RunState>): void {
    this.state = { ...this.state, ...change };
    this.stateFile?.write(this.state);
  }

  private say(text: string): void {
    this.io.stderr.write(`${text}\n`);
  }
}

async function exists(call: Promise<unknown>): Promise<boolean> {
  try {
    await call;
    return true;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return false;
    throw error;
  }
}

function without(record: Readonly<Record<string, string>>, key: string): Record<string, string> {
  return Object.fromEntries(Object.entries(record).filter(([name]) => name !== key));
}

function refusal({ errors }: BatchObject): string {
  const all = errors?.data ?? [];
  const named = all.slice(0, 5).map(({ line, message }) => (line === null ? message : `line ${line}: ${message}`));
  const more = all.length > named.length ? [`and ${all.length - named.length} more`] : [];
  return named.length === 0 ? 'the server does not say why' : [...named, ...more].join('; ');
}
