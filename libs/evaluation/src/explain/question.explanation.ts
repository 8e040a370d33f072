import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promptLayout, type Engine, type GenerationResult, type Protocol } from '@madakv/engine';
import { createPolicy } from '@madakv/madakv';
import type { OpenModel, PreparedPrompt } from '@madakv/models';
import { loadImages, profileFor } from '@madakv/requests';
import type { Question } from '../question.js';
import { answerEvidence, type Evidence } from './evidence.js';
import { explain, pageLayers, type Explanation } from './explanation.js';
import { contactSheet, overlay } from './page.overlay.js';

/** How a question is answered that is to be explained. */
export interface ExplainSettings {
  readonly policy: string;
  readonly policyOptions: Readonly<Record<string, unknown>>;
  /** Share of the prompt's cache that may be kept, in (0, 1]. */
  readonly ratio: number;
  /** Most tokens of the answer; as the question says where left out. */
  readonly maxTokens?: number;
  readonly protocol: Protocol;
  /** Use the calibrated profile when there is one. */
  readonly profile: boolean;
}

/** A question as the model reads it. */
export interface QuestionPages {
  readonly prompt: PreparedPrompt;
  /** The files of its images, in order. */
  readonly pages: readonly Uint8Array[];
}

/** @throws InputFileError naming the image that cannot be read */
export async function readPages(question: Question, model: OpenModel, signal: AbortSignal): Promise<QuestionPages> {
  const pages: Uint8Array[] = [];
  const images = await loadImages(question.messages, question.source, keepingBytes(model, pages), signal);
  return { prompt: await model.prepare(question.messages, images), pages };
}

/**
 * Answers one question, finds what each head kept and of the answer's evidence, and draws it over the pages.
 * @param dir where explain.json and the pictures go; made where it is missing
 */
export async function explainQuestion(
  engine: Engine,
  question: Question,
  { prompt, pages }: QuestionPages,
  settings: ExplainSettings,
  { dir, signal }: { readonly dir: string; readonly signal: AbortSignal },
): Promise<Explanation> {
  const answered = await answer(engine, prompt, question, settings, signal);
  const whole = { ...settings, policy: 'full', policyOptions: {}, ratio: 1 };
  const full = await answer(engine, prompt, question, whole, signal);
  const evidence = await answerEvidence(engine, prompt, question.expected, signal);
  const { tokenizer } = engine.model;
  const explanation = explain({ expected: question.expected, answered, full }, prompt, evidence, tokenizer);
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'explain.json'), `${JSON.stringify(explanation, null, 1)}\n`);
  const { grids } = promptLayout(prompt, 0);
  for (const [page, bytes] of pages.entries()) {
    await drawPage({ dir, page, bytes, grid: grids[page] }, answered, evidence, explanation);
  }
  return explanation;
}

/** Prepares images and keeps the files they came from. */
function keepingBytes(model: OpenModel, pages: Uint8Array[]): Pick<OpenModel, 'prepareImage'> {
  return {
    prepareImage: (source) => {
      if (source instanceof Uint8Array) pages.push(source);
      return model.prepareImage(source);
    },
  };
}

function answer(
  engine: Engine,
  prompt: PreparedPrompt,
  question: Question,
  { policy, policyOptions, ratio, maxTokens, protocol, profile }: ExplainSettings,
  signal: AbortSignal,
): Promise<GenerationResult> {
  const applied = profile ? profileFor(engine, { policy, policyOptions }) : undefined;
  return engine.generate(
    {
      prompt,
      policy: createPolicy(policy, applied?.policyOptions ?? policyOptions),
      cacheRatio: ratio,
      maxTokens: maxTokens ?? question.maxTokens,
      protocol,
    },
    { signal },
  );
}

async function drawPage(
  { dir, page, bytes, grid }: { dir: string; page: number; bytes: Uint8Array; grid: Parameters<typeof pageLayers>[2] },
  { trace }: GenerationResult,
  evidence: Evidence,
  { heads: all }: Explanation,
): Promise<void> {
  const heads = trace.layers[0].kept.length;
  const pictures: Buffer[] = [];
  const captions: string[] = [];
  for (const [layer, drawn] of pageLayers(trace, evidence, grid).entries()) {
    const png = await overlay(bytes, grid, drawn, heads);
    writeFileSync(join(dir, `page-${page}-layer-${String(layer).padStart(2, '0')}.png`), png);
    pictures.push(png);
    const kept = all.filter((head) => head.layer === layer && head.evidenceKept !== undefined);
    const share = kept.reduce((sum, { evidenceKept = 0 }) => sum + evidenceKept, 0) / Math.max(1, kept.length);
    captions.push(
      `layer ${layer}: ${trace.layers[layer].rows} rows a head, ${(100 * share).toFixed(0)} % of the evidence kept`,
    );
  }
  writeFileSync(join(dir, `page-${page}.png`), await contactSheet(pictures, captions));
}
