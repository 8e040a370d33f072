#!/usr/bin/env node
/*
 * Questions about one document of eight pages through the whole system, as a batch, with sharing on and with sharing off, in turns.
 *
 *   node test/bench/documents/questions.js [--questions 1,2,5,10,20,50] [--rounds 3] [--cache-ratio 0.1] [--threads 1] [--out FILE]
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { ALONE, BenchSystem, DEMO_DOCUMENTS, demoDocument, demoQuestions, median, textOf } from './bench.system.js';

const { values: flags } = parseArgs({
  options: {
    questions: { type: 'string', default: '1,2,5,10,20,50' },
    rounds: { type: 'string', default: '3' },
    'cache-ratio': { type: 'string', default: '0.1' },
    threads: { type: 'string', default: '1' },
    out: { type: 'string' },
  },
});
const cacheRatio = Number(flags['cache-ratio']);
const MIB = 2 ** 20;

async function open(environment) {
  const system = await BenchSystem.start({ MADAKV_THREADS: flags.threads, ...environment });
  const documents = [];
  for (const name of DEMO_DOCUMENTS) documents.push(await system.upload(name, 'user_data', demoDocument(name)));
  return { system, documents };
}

async function ask({ system, documents }, count) {
  const files = documents.map((file_id) => ({ type: 'file', file: { file_id } }));
  const { ms, answers } = await system.batch(
    demoQuestions(count).map((text) => ({
      max_tokens: 16,
      madakv: { cache_ratio: cacheRatio },
      messages: [{ role: 'user', content: [...files, { type: 'text', text }] }],
    })),
  );
  const traces = await Promise.all(answers.map(({ madakv }) => system.trace(madakv.trace_id)));
  return { ms, traces, texts: answers.map(textOf) };
}

// What this compares is sharing within a batch: no document stays from one to the next.
const shared = await open({ MADAKV_RESIDENT_BYTES: '0' });
const alone = await open(ALONE);
const rows = [];
try {
  for (const system of [shared, alone]) await ask(system, 1);
  for (const count of flags.questions.split(',').map(Number)) {
    const [on, off] = [[], []];
    for (let round = 0; round < Number(flags.rounds); round++) {
      on.push(await ask(shared, count));
      off.push(await ask(alone, count));
    }
    const { traces, texts } = on.at(-1);
    const seconds = (runs) => median(runs.map(({ ms }) => ms)) / 1_000;
    const prefill = median(on.map((run) => Math.max(...run.traces.map(({ ms }) => ms.prefill))));
    const row = {
      questions: count,
      tokens: traces[0].usage.promptTokens,
      sharedSeconds: seconds(on),
      aloneSeconds: seconds(off),
      ratio: seconds(off) / seconds(on),
      prefillRatio: prefill / median(off.flatMap((run) => run.traces.map(({ ms }) => ms.prefill))),
      leases: new Set(traces.map(({ lease }) => lease.leaseId)).size,
      sameAnswers: texts.filter((text, i) => text === off.at(-1).texts[i]).length,
      fullMiB: traces[0].cache.bytes.full / MIB,
      leaseMiB: Math.max(...traces.map(({ lease }) => Math.max(...lease.events.map(({ bytes }) => bytes)))) / MIB,
      keptMiB: traces.reduce((sum, { cache }) => sum + cache.bytes.afterEviction, 0) / MIB,
    };
    rows.push(row);
    console.log(JSON.stringify(row));
  }
} finally {
  await shared.system.stop();
  await alone.system.stop();
}
if (flags.out !== undefined) {
  writeFileSync(flags.out, `${JSON.stringify({ cacheRatio, threads: Number(flags.threads), rows }, null, 2)}\n`);
}
