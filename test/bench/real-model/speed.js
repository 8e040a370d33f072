#!/usr/bin/env node
/*
 * Prefill and decode of one model here and in llama.cpp, in turns, so that a change of the machine's load meets both.
 *
 *   node test/bench/real-model/speed.js --model FOLDER --gguf FILE --llama FOLDER --questions FILE.jsonl,... --out FILE.json
 *
 * FOLDER of llama: where node-llama-cpp is installed. Of each file of questions the first is taken. Ours runs in 4 bit.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, cpus } from 'node:os';
import { performance } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { Engine } from '../../../libs/engine/dist/index.js';
import { createPolicy } from '../../../libs/madakv/dist/index.js';
import { openModel } from '../../../libs/models/dist/index.js';
import { cpuProvider } from '../../../libs/onnx/dist/index.js';

const { values: flags } = parseArgs({
  options: {
    model: { type: 'string' },
    gguf: { type: 'string' },
    llama: { type: 'string' },
    questions: { type: 'string' },
    out: { type: 'string' },
    cache: { type: 'string' },
    threads: { type: 'string', default: String(availableParallelism()) },
    rounds: { type: 'string', default: '3' },
    tokens: { type: 'string', default: '32' },
    ratio: { type: 'string', default: '0.2' },
    'block-size': { type: 'string', default: '64' },
  },
});
const threads = Number(flags.threads);
const answerTokens = Number(flags.tokens);
const ratio = Number(flags.ratio);

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];

/** Times of tokens as they come: the first one, and the others' mean. */
function timing(started, at) {
  return { firstMs: at[0] - started, tokenMs: (at[at.length - 1] - at[0]) / (at.length - 1) };
}

async function openLlama() {
  const resolve = createRequire(`${flags.llama}/package.json`).resolve('node-llama-cpp');
  const { getLlama } = await import(pathToFileURL(resolve).href);
  const llama = await getLlama({ gpu: false, build: 'never', maxThreads: threads, logLevel: 'error' });
  const model = await llama.loadModel({ modelPath: flags.gguf });
  return {
    /** @returns a function that answers a prompt from nothing */
    async prepare(ids) {
      const context = await model.createContext({
        contextSize: ids.length + answerTokens + 8,
        threads,
        batchSize: 512,
      });
      const sequence = context.getSequence();
      const run = async () => {
        await sequence.clearHistory();
        const at = [];
        const started = performance.now();
        const tokens = sequence.evaluate([...ids], { temperature: 0, yieldEogToken: true });
        while (at.length < answerTokens && (await tokens.next()).done !== true) at.push(performance.now());
        await tokens.return();
        return timing(started, at);
      };
      return { run, close: () => context.dispose() };
    },
    close: () => llama.dispose(),
  };
}

async function answer(engine, prompt, policy, cacheRatio) {
  const at = [];
  const started = performance.now();
  const request = { prompt, policy: createPolicy(policy), cacheRatio, maxTokens: answerTokens, stopIds: [] };
  await engine.generate(request, {
    onEvent: (event) => {
      if (event.kind === 'token') at.push(performance.now());
    },
  });
  return timing(started, at);
}

const model = openModel(flags.model);
const engine = await Engine.load(model, cpuProvider(threads), {
  precision: { kind: 'int', bits: 4, blockSize: Number(flags['block-size']) },
  maxSequences: 1,
  ...(flags.cache === undefined ? {} : { cacheDir: flags.cache }),
});
const llama = await openLlama();
const { version } = JSON.parse(readFileSync(`${flags.llama}/node_modules/node-llama-cpp/package.json`, 'utf8'));
const rows = [];
/** What is known so far: a run that is stopped has measured the shorter prompts. */
function save() {
  const settings = { processor: cpus()[0].model, threads, ratio, answerTokens, blockSize: Number(flags['block-size']) };
  writeFileSync(flags.out, `${JSON.stringify({ ...settings, llama: version, rows }, null, 1)}\n`);
}
for (const file of flags.questions.split(',')) {
  const { messages } = JSON.parse(readFileSync(file, 'utf8').split('\n', 1)[0]).body;
  const prompt = await model.prepare(messages, []);
  const theirs = await llama.prepare(prompt.inputIds);
  const rounds = [];
  // One run of each is not counted: it maps weights. Long prompts take fewer rounds.
  const count = Math.max(1, Math.round((Number(flags.rounds) * 2048) / Math.max(2048, prompt.inputIds.length)));
  if (rows.length === 0) {
    await answer(engine, prompt, 'full', 1);
    await theirs.run();
  }
  for (let round = 0; round < count; round++) {
    const of = { llama: await theirs.run(), full: await answer(engine, prompt, 'full', 1) };
    rounds.push({ ...of, kept: await answer(engine, prompt, 'madakv', ratio) });
    process.stderr.write(
      `${prompt.inputIds.length} tokens, round ${round + 1} of ${count}: ${JSON.stringify(rounds.at(-1))}\n`,
    );
  }
  await theirs.close();
  const over = (of) => median(rounds.map(of));
  rows.push({
    tokens: prompt.inputIds.length,
    rounds,
    promptPerSecond: {
      llama: over(({ llama: { firstMs } }) => (1000 * prompt.inputIds.length) / firstMs),
      full: over(({ full: { firstMs } }) => (1000 * prompt.inputIds.length) / firstMs),
      kept: over(({ kept: { firstMs } }) => (1000 * prompt.inputIds.length) / firstMs),
    },
    tokenMs: {
      llama: over(({ llama: { tokenMs } }) => tokenMs),
      full: over(({ full: { tokenMs } }) => tokenMs),
      kept: over(({ kept: { tokenMs } }) => tokenMs),
    },
    times: {
      prefill: over((each) => each.llama.firstMs / each.full.firstMs),
      prefillKept: over((each) => each.llama.firstMs / each.kept.firstMs),
      full: over((each) => each.llama.tokenMs / each.full.tokenMs),
      kept: over((each) => each.llama.tokenMs / each.kept.tokenMs),
    },
  });
  save();
}
await engine.close();
await llama.close();
