import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promptLayout, type Engine, type GenerationResult, type Protocol } from '@madakv/engine';
import { createPolicy } from '@madakv/madakv';
import { openModel, type OpenModel } from '@madakv/models';
import { profileFor } from '@madakv/requests';
import type { CommandIo } from '../../command.io.js';
import { loadEngine, type EngineFlags } from '../../engine.flags.js';
import { UsageError } from '../../exit.codes.js';
import { loadImages } from '../../request/request.images.js';
import type { Question } from '../question.js';
import { suites } from '../suites/suites.js';
import { answerEvidence, type Evidence } from './evidence.js';
import { explain, pageLayers, type Explanation } from './explanation.js';
import { explanationText } from './explanation.text.js';
import { contactSheet, overlay } from './page.overlay.js';

export interface ExplainFlags extends EngineFlags {
  readonly suite: string;
  readonly model: string;
  readonly data: string;
  readonly id: string;
  readonly set?: string;
  readonly policy: string;
  readonly policyOption?: Readonly<Record<string, unknown>>;
  readonly ratio: number;
  readonly maxTokens?: number;
  readonly protocol: Protocol;
  readonly profile: boolean;
  readonly out?: string;
  readonly json?: true;
}

/** Answers one question, prints what each head kept and of the answer's evidence, and draws it over the pages. */
export async function explainQuestion(flags: ExplainFlags, io: CommandIo): Promise<void> {
  const question = await findQuestion(flags, io.cwd);
  createPolicy(flags.policy, flags.policyOption);
  const model = openModel(flags.model);
  const pages: Uint8Array[] = [];
  const images = await loadImages(question.messages, question.source, keepingBytes(model, pages), io.signal);
  const prompt = await model.prepare(question.messages, images);
  const engine = await loadEngine(model, flags, io);
  try {
    const answered = await answer(engine, prompt, question, flags, io.signal);
    const full = await answer(
      engine,
      prompt,
      question,
      { ...flags, policy: 'full', policyOption: {}, ratio: 1 },
      io.signal,
    );
    const evidence = await answerEvidence(engine, prompt, question.expected, io.signal);
    const explanation = explain({ expected: question.expected, answered, full }, prompt, evidence, model.tokenizer);
    const name = flags.out ?? `explain-${flags.id}`;
    const dir = resolve(io.cwd, name);
    mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, 'explain.json'), `${JSON.stringify(explanation, null, 1)}\n`);
    const { grids } = promptLayout(prompt, 0);
    for (const [page, bytes] of pages.entries()) {
      await drawPage({ dir, page, bytes, grid: grids[page] }, answered, evidence, explanation);
    }
    io.stdout.write(
      flags.json === true
        ? `${JSON.stringify(explanation)}\n`
        : `${explanationText(explanation)}\npictures and figures are in ${name}\n`,
    );
  } finally {
    await engine.close();
  }
}

async function findQuestion(flags: ExplainFlags, cwd: string): Promise<Question> {
  const { questions } = await suites[flags.suite].load(flags.data, cwd);
  const found = questions.filter(({ id, set }) => id === flags.id && (flags.set ?? set) === set);
  if (found.length === 1) return found[0];
  if (found.length > 1) {
    throw new UsageError(`--id ${flags.id} is in several sets: ${found.map(({ set }) => set).join(', ')}; give --set`);
  }
  throw new UsageError(`${flags.data}: has no question ${flags.id}; the first is ${questions[0].id}`);
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
  prompt: Parameters<Engine['generate']>[0]['prompt'],
  question: Question,
  { policy, policyOption = {}, ratio, maxTokens, protocol, profile }: ExplainFlags,
  signal: AbortSignal,
): Promise<GenerationResult> {
  const applied = profile ? profileFor(engine, { policy, policyOptions: policyOption }) : undefined;
  return engine.generate(
    {
      prompt,
      policy: createPolicy(policy, applied?.policyOptions ?? policyOption),
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
