import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AnsweredTrace } from '@madakv/contracts';
import { DEMO_FOLDER, LocalSystem, requireModel } from '@madakv/launcher';
import { ApiClient } from '../api/api.client.js';
import type { ServerAccess } from '../api/server.access.js';
import { BatchRun } from '../batch/batch.run.js';
import { questionsWork } from '../batch/batch.work.js';
import { DEFAULT_SHEET, readQuestions } from '../batch/question.sheet.js';
import type { CommandIo } from '../command.io.js';
import { invocation, shellWord } from '../invocation.js';
import { SystemNotes } from '../system/system.notes.js';
import { drawTrace } from '../trace/trace.drawing.js';
import { demoReport, type DemoAnswer, type DemoRound } from './demo.report.js';

export interface DemoOptions {
  readonly model: string;
  readonly cacheRatio: number;
  /** Folder that stays; without one a temporary folder is used and removed. */
  readonly dataFolder?: string;
  /** Of documents and questions; the project's own by default. */
  readonly documents?: string;
}

/** Answers of the reader are short. */
const MAX_TOKENS = 32;

/** Answers all sample questions twice and writes what came of it to stdout. */
export async function demo(options: DemoOptions, io: CommandIo): Promise<void> {
  requireModel(options.model);
  const folder = options.dataFolder ?? mkdtempSync(join(tmpdir(), 'madakv-demo-'));
  const notes = new SystemNotes(io, { logs: 'none' });
  try {
    const system = await LocalSystem.start({
      dataFolder: folder,
      model: options.model,
      signal: io.signal,
      onNote: notes.onNote,
    });
    try {
      io.stderr.write(`\nready at ${system.url}\n`);
      await Promise.race([
        compare(system, options, io),
        system.failure.then((error) => {
          throw error;
        }),
      ]);
    } finally {
      await system.stop();
    }
  } finally {
    notes.clear();
    if (options.dataFolder === undefined) rmSync(folder, { recursive: true, force: true });
  }
}

async function compare(
  system: LocalSystem,
  { cacheRatio, documents = DEMO_FOLDER, dataFolder }: DemoOptions,
  io: CommandIo,
): Promise<void> {
  const client = new ApiClient({ url: system.url, apiKey: system.apiKey, signal: io.signal });
  const access: ServerAccess = { client, identity: system.url, model: system.model };
  // The full cache first: documents are drawn and seen once, and what is drawn is reused.
  const full = await round(documents, { model: system.model, cacheRatio: 1 }, access, io);
  const reduced = await round(documents, { model: system.model, cacheRatio }, access, io);
  io.stdout.write(demoReport(reduced, full));
  const traceId = exemplary(reduced.answers);
  if (traceId === undefined) return;
  io.stdout.write(`\nWhat the cache reduction did to one of them${againLater(traceId, dataFolder)}:\n\n`);
  io.stdout.write(
    drawTrace(await client.trace(traceId), io.stdout.isTTY === true && (process.env['NO_COLOR'] ?? '') === ''),
  );
  // What the demonstration ran on ends with it.
  const data = dataFolder === undefined ? '' : ` --data ${shellWord(dataFolder)}`;
  io.stdout.write(`\nA page in your browser shows the same of your own documents: ${invocation(`up${data}`)}\n`);
}

async function round(
  documents: string,
  { model, cacheRatio }: { model: string; cacheRatio: number },
  access: ServerAccess,
  io: CommandIo,
): Promise<DemoRound> {
  const sheet = join(documents, DEFAULT_SHEET);
  const { questions } = await readQuestions({ path: sheet, name: sheet }, { folder: documents });
  io.stderr.write(`\n${questions.length} questions, ${100 * cacheRatio} % of the cache\n`);
  // The policy `full` is the cache as it is elsewhere: nothing is scored, nothing evicted.
  const policy = cacheRatio === 1 ? { policy: 'full' } : {};
  const work = await questionsWork(questions, model, { cacheRatio, maxTokens: MAX_TOKENS, ...policy });
  const run = new BatchRun(work, access, io);
  const startedAt = performance.now();
  const { lines } = await run.results(await run.start());
  const wallMs = performance.now() - startedAt;
  const answers: DemoAnswer[] = [];
  for (const { row, item } of lines) {
    const trace = row.traceId === undefined ? undefined : await access.client.trace(row.traceId);
    answers.push({
      question: item.columns.get('question') ?? '',
      file: item.columns.get('file') ?? '',
      expected: item.columns.get('answer') ?? '',
      row,
      modelMs: trace?.error === null ? modelMsOf(trace) : 0,
      sharedTokens: trace?.error === null ? trace.cache.sharing.cachedTokens : 0,
      readWith: trace?.error === null ? trace.cache.sharing.requests : 1,
    });
  }
  return { cacheRatio, wallMs, answers };
}

/** A prefill that several requests shared is in the trace of each: here each has its part of it. */
function modelMsOf({ ms, cache: { sharing } }: AnsweredTrace): number {
  return ms.prefill / sharing.requests + ms.observe + ms.evict + ms.decode;
}

/** How to draw it again, where the data stays. */
function againLater(traceId: string, dataFolder: string | undefined): string {
  if (dataFolder === undefined) return '';
  const data = `--data ${shellWord(dataFolder)}`;
  return ` (${invocation(`up ${data}`)}, then ${invocation(`trace ${traceId} ${data}`)} draws it again)`;
}

/** The right answer about the longest prompt, or else any. */
function exemplary(answers: readonly DemoAnswer[]): string | undefined {
  const traced = answers.filter(({ row }) => row.traceId !== undefined);
  const byLength = traced.sort((a, b) => (b.row.promptTokens ?? 0) - (a.row.promptTokens ?? 0));
  return (byLength.find(({ row, expected }) => row.answer.trim() === expected) ?? byLength.at(0))?.row.traceId;
}
