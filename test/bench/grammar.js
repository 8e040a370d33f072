#!/usr/bin/env node
/*
 * What a grammar costs beside decoding: the time of its masks and of following the tokens, and a decode step of the bundled reader on a page.
 *
 *   node test/bench/grammar.js [--rounds 5] [--threads 1]
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { answerFormat } from '../../libs/contracts/dist/index.js';
import { defaultCacheDir, Engine } from '../../libs/engine/dist/index.js';
import { BUNDLED_MODEL } from '../../libs/launcher/dist/index.js';
import { createPolicy } from '../../libs/madakv/dist/index.js';
import { openModel } from '../../libs/models/dist/index.js';
import { cpuProvider } from '../../libs/onnx/dist/index.js';
import { answerConstraint } from '../../libs/requests/dist/index.js';

const { values: flags } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, threads: { type: 'string', default: '1' } },
});
const schema = {
  type: 'object',
  properties: {
    number: { type: 'string', maxLength: 24 },
    date: { type: 'string', format: 'date' },
    total: { type: 'number' },
    items: {
      type: 'array',
      maxItems: 6,
      items: {
        type: 'object',
        properties: { name: { type: 'string', maxLength: 24 }, quantity: { type: 'integer' } },
        required: ['name', 'quantity'],
        additionalProperties: false,
      },
    },
  },
  required: ['number', 'date', 'total', 'items'],
  additionalProperties: false,
};
const format = answerFormat({ type: 'json_schema', json_schema: { name: 'invoice', schema, strict: true } });
const model = openModel(BUNDLED_MODEL);
const engine = await Engine.load(model, cpuProvider(Number(flags.threads)), {
  precision: { kind: 'fp32' },
  cacheDir: defaultCacheDir(),
});
const page = readFileSync(join('test', 'conformance', 'fixtures-reader', 'images', 'invoice.png'));
const prompt = await model.prepare(
  [
    {
      role: 'user',
      content: [
        { type: 'image_url', image_url: { url: 'page' } },
        { type: 'text', text: 'The invoice as JSON.' },
      ],
    },
  ],
  [page],
);
const compileStarted = performance.now();
await answerConstraint(model, format).then((constraint) => constraint.free());
const compileMs = performance.now() - compileStarted;

/** Milliseconds a token: of decoding, and of the grammar in it. */
async function round() {
  const constraint = await answerConstraint(model, format);
  let spent = 0;
  const timed = {
    get ended() {
      return constraint.ended;
    },
    mask: (logits) => {
      const started = performance.now();
      constraint.mask(logits);
      spent += performance.now() - started;
    },
    accept: async (id) => {
      const started = performance.now();
      await constraint.accept(id);
      spent += performance.now() - started;
    },
    free: () => {
      constraint.free();
    },
  };
  const result = await engine.generate({
    prompt,
    policy: createPolicy('madakv', {}),
    cacheRatio: 0.2,
    maxTokens: 120,
    constraint: timed,
  });
  const tokens = result.tokenIds.length;
  return { tokens, step: result.trace.ms.decode / tokens, grammar: spent / tokens };
}

const rounds = [];
for (let i = 0; i <= Number(flags.rounds); i++) rounds.push(await round());
await engine.close();
const middle = (of) =>
  rounds
    .slice(1)
    .map(of)
    .sort((a, b) => a - b)[Math.floor(rounds.length / 2) - 1] ?? NaN;
const [step, grammar] = [middle((each) => each.step), middle((each) => each.grammar)];
console.log(
  JSON.stringify({
    vocabulary: model.config.decoder.vocabSize,
    tokens: rounds[1].tokens,
    compileMs,
    stepMs: step,
    grammarMs: grammar,
    shareOfStep: grammar / (step - grammar),
  }),
);
