import { createPolicy, type EvictionPolicy } from '@madakv/madakv';
import type { OpenModel, PreparedImage } from '@madakv/models';
import { loadImages } from '@madakv/requests';
import type { Answer, Answerer } from '../answer/answerer.js';
import { EvaluationError } from '../evaluation.error.js';
import type { Question } from '../question.js';
import { scorers, type ScorerName } from '../scoring/scorers.js';
import type { RunFolder } from './run.folder.js';
import type { ResultRecord, RunSettings } from './run.record.js';

/** A cell of the measurement: a variant at a ratio. */
interface Cell {
  readonly name: string;
  readonly policy: EvictionPolicy;
  readonly ratio: number;
}

/** All that a run needs. */
export interface EvalRun {
  readonly model: OpenModel;
  readonly answerer: Answerer;
  readonly questions: readonly Question[];
  readonly folder: RunFolder;
}

export interface EvalRunOptions {
  readonly signal: AbortSignal;
  /** Told of answers that have been written, and of their set. */
  readonly onAnswers?: (answers: number, set: string) => void;
}

/**
 * Answers every question under every variant and ratio that has no answer yet, and writes each result when it is known.
 * @throws EvaluationError for a question that is longer than the model can read
 */
export async function runQuestions(
  { model, answerer, questions, folder }: EvalRun,
  { signal, onAnswers }: EvalRunOptions,
): Promise<void> {
  const { settings } = folder.run;
  const cells = cellsOf(settings);
  const done = new Set(folder.results.map(({ set, id, policy, ratio }) => keyOf(set, id, policy, ratio)));
  const images = new DocumentImages(model, signal);
  for (const question of questions) {
    const open = cells.filter(({ name, ratio }) => !done.has(keyOf(question.set, question.id, name, ratio)));
    if (open.length === 0) continue;
    signal.throwIfAborted();
    const prompt = await model.prepare(question.messages, await images.of(question));
    const maxTokens = settings.maxTokens ?? question.maxTokens;
    checkLength(question, prompt.nextPosition + maxTokens, model);
    // Answers that come together are written together; one by one where each is worked on alone.
    const batches = settings.prefill === 'shared' ? [open] : open.map((cell) => [cell]);
    for (const batch of batches) {
      const answers = await answerer.answer(prompt, batch, { maxTokens, protocol: settings.protocol, signal });
      const { scorer } = settings.sets[question.set];
      const tokens = prompt.inputIds.length;
      folder.append(answers.map((answer, i) => resultOf(question, batch[i], answer, scorer, tokens)));
      onAnswers?.(batch.length, question.set);
    }
  }
}

/** @throws EvaluationError when prompt and answer need more positions than the model has */
function checkLength({ set, id, source }: Question, needed: number, { config }: OpenModel): void {
  const { maxPositions } = config.decoder;
  if (needed <= maxPositions) return;
  throw new EvaluationError(
    'question_too_long',
    `${source.name}: question ${id} of ${set} needs ${needed} positions, and the model has ${maxPositions}`,
  );
}

/** Every variant at each of its ratios. */
function cellsOf({ variants, seed }: RunSettings): Cell[] {
  return variants.flatMap(({ name, policy: kind, options, ratios }) => {
    const policy = createPolicy(kind, kind === 'random' ? { seed, ...options } : options);
    return ratios.map((ratio) => ({ name, policy, ratio }));
  });
}

function keyOf(set: string, id: string, policy: string, ratio: number): string {
  return JSON.stringify([set, id, policy, ratio]);
}

function resultOf(
  { set, id, document, expected, choices = [] }: Question,
  { name, ratio }: Cell,
  answer: Answer,
  scorer: ScorerName,
  promptTokens: number,
): ResultRecord {
  const common = { set, id, document, policy: name, ratio, expected, promptTokens };
  if (answer.kind === 'refused') {
    const nothing = { keptBytes: 0, fullBytes: 0, ms: 0, rows: [], text: [] };
    return { ...common, answer: null, correct: false, score: 0, finish: 'refused', ...nothing };
  }
  const { text, finishReason, keptBytes, fullBytes, ms, layers } = answer;
  const score = scorers[scorer](text, expected, choices);
  return {
    ...common,
    answer: text,
    correct: score === 1,
    score,
    finish: finishReason,
    keptBytes,
    fullBytes,
    ms: Number(ms.toFixed(2)),
    rows: layers.map(({ rows }) => rows),
    text: layers.map(({ textPreference }) => textPreference.map((share) => Number(share.toFixed(3)))),
  };
}

/** Prepared images of the document that is being asked about; questions about it follow each other. */
/** The same names are other pictures in another folder. */
function haveSameImages(one: Question, other: Question): boolean {
  return one.document === other.document && one.source.folder === other.source.folder;
}

class DocumentImages {
  private current: { readonly of: Question; readonly images: readonly PreparedImage[] } | undefined;

  constructor(
    private readonly model: OpenModel,
    private readonly signal: AbortSignal,
  ) {}

  async of(question: Question): Promise<readonly PreparedImage[]> {
    if (this.current === undefined || !haveSameImages(this.current.of, question)) {
      const images = await loadImages(question.messages, question.source, this.model, this.signal);
      this.current = { of: question, images };
    }
    return this.current.images;
  }
}
