import { createHash } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { describeIssues } from '@madakv/contracts';
import {
  fileProblem,
  fileRequestSchema,
  InputFileError,
  messagesInReadingOrder,
  parseJsonText,
  readText,
} from '@madakv/requests';
import { documentKey, type Question, type Suite, type SuiteData } from '../question.js';
import type { ScorerName } from '../scoring/scorers.js';

/** A line as `madakv_training.make_requests` writes it. */
const lineSchema = z.object({
  id: z.string().min(1),
  /** By default the name of the file. */
  set: z.string().min(1).nullish(),
  answer: z.string(),
  body: fileRequestSchema,
});

const DEFAULT_MAX_TOKENS = 96;

/** Sets that are not judged by exact match. */
const scorerOfSet: Readonly<Record<string, ScorerName>> = { absent: 'absent' };

/** Questions as JSONL: one file, or all `*.jsonl` of a folder. Image paths are relative to the file. */
export const readerSuite: Suite = {
  description: 'questions of madakv_training.make_requests: a JSONL file, or a folder of them',
  async load(path, cwd) {
    const data: { questions: Question[]; files: SuiteData['files'][number][] } = { questions: [], files: [] };
    for (const name of filesAt(path, cwd)) {
      const file = resolve(cwd, name);
      const text = await readText(file, name);
      data.files.push({ file: basename(file), sha256: createHash('sha256').update(text).digest('hex') });
      data.questions.push(...parseLines(text, name, file));
    }
    if (data.questions.length === 0) throw new InputFileError(`${path}: has no questions`);
    checkUnique(data.questions);
    const sets = new Set(data.questions.map(({ set }) => set));
    return { ...data, scorers: Object.fromEntries([...sets].map((set) => [set, scorerOfSet[set] ?? 'exact'])) };
  },
};

function filesAt(path: string, cwd: string): string[] {
  try {
    if (!statSync(resolve(cwd, path)).isDirectory()) return [path];
    const files = readdirSync(resolve(cwd, path)).filter((name) => name.endsWith('.jsonl'));
    if (files.length === 0) throw new InputFileError(`${path}: has no .jsonl files`);
    return files.sort().map((name) => join(path, name));
  } catch (cause) {
    if (cause instanceof InputFileError) throw cause;
    throw new InputFileError(`${path}: ${fileProblem(cause)}`, { cause });
  }
}

function parseLines(text: string, name: string, file: string): Question[] {
  return text.split('\n').flatMap((line, index) => {
    if (line.trim() === '') return [];
    const where = `${name}:${index + 1}`;
    const result = lineSchema.safeParse(parseJsonText(line, name, index + 1));
    if (!result.success) throw new InputFileError(`${where}: ${describeIssues(result.error.issues)}`);
    const { id, set, answer, body } = result.data;
    const messages = messagesInReadingOrder(body);
    return {
      id,
      set: set ?? basename(file, '.jsonl'),
      expected: answer,
      messages,
      maxTokens: body.max_completion_tokens ?? body.max_tokens ?? DEFAULT_MAX_TOKENS,
      document: documentKey(messages, id),
      source: { name: where, folder: dirname(file) },
    };
  });
}

function checkUnique(questions: readonly Question[]): void {
  const seen = new Map<string, string>();
  for (const { set, id, source } of questions) {
    const key = JSON.stringify([set, id]);
    const before = seen.get(key);
    if (before !== undefined)
      throw new InputFileError(`${source.name}: the id ${id} of set ${set} is at ${before} already`);
    seen.set(key, source.name);
  }
}
