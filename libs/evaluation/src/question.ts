import { createHash } from 'node:crypto';
import type { ChatMessage } from '@madakv/models';
import type { RequestSource } from '@madakv/requests';
import { EvaluationError } from './evaluation.error.js';
import type { ScorerName } from './scoring/scorers.js';

/** One question of a suite, with the answer expected. */
export interface Question {
  /** Unique within its set. */
  readonly id: string;
  readonly set: string;
  readonly expected: string;
  /** What there is to choose from; the expected answer is one of them. */
  readonly choices?: readonly string[];
  readonly messages: readonly ChatMessage[];
  /** Most tokens of the answer. */
  readonly maxTokens: number;
  /** The same for all questions about one document, whatever folder it lies in. */
  readonly document: string;
  readonly source: RequestSource;
}

/** What a suite read. */
export interface SuiteData {
  readonly questions: readonly Question[];
  /** How answers are judged, by set. */
  readonly scorers: Readonly<Record<string, ScorerName>>;
  /** Files that questions came from, for the report. */
  readonly files: readonly { readonly file: string; readonly sha256: string }[];
}

/** A kind of evaluation data. A new one is a file and a row in `suites.ts`. */
export interface Suite {
  readonly description: string;
  /**
   * @param path as the caller gave it, for messages too
   * @param cwd folder that a relative path starts from
   * @throws InputFileError naming file, line and key of what is wrong
   */
  load(path: string, cwd: string): Promise<SuiteData>;
}

/** What is said to the model, whatever it is asked about. */
const INSTRUCTIONS: ReadonlySet<string> = new Set(['system', 'developer']);

/**
 * Key of what a question is about: its messages without the last text part of the last user turn. A question about nothing
 * but itself is its own document, also where many have one instruction.
 */
export function documentKey(messages: readonly ChatMessage[], id: string): string {
  const asked = messages.findLastIndex(({ role }) => role === 'user');
  const rest = messages.map(({ content }, index) => {
    if (typeof content === 'string') return index === asked ? [] : [content];
    const question = index === asked ? content?.findLastIndex(({ type }) => type === 'text') : undefined;
    return content?.filter((_, part) => part !== question).map((part) => JSON.stringify(part)) ?? [];
  });
  const isAbout = messages.some(({ role }, index) => !INSTRUCTIONS.has(role) && rest[index].length > 0);
  const parts = isAbout ? rest.flat() : [id];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
}

/**
 * The question with an id.
 * @param set needed where questions of several sets have the id
 * @param name of the data, for messages
 * @throws EvaluationError when there is none, or more than one
 */
export function findQuestion(
  questions: readonly Question[],
  { id: wanted, set: inSet }: { readonly id: string; readonly set?: string },
  name: string,
): Question {
  const found = questions.filter(({ id, set }) => id === wanted && (inSet ?? set) === set);
  if (found.length === 1) return found[0];
  if (found.length > 1) {
    const sets = found.map(({ set }) => set).join(', ');
    throw new EvaluationError('ambiguous_question', `${wanted} is in several sets: ${sets}`);
  }
  throw new EvaluationError('unknown_question', `${name}: has no question ${wanted}; the first is ${questions[0].id}`);
}
