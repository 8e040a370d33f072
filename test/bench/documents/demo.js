#!/usr/bin/env node
/*
 * The 28 questions of the demo as a batch, with sharing on and off, in turns: the time of the model as the demo counts it, a shared prefill
 * once, and the most that a group holds against one full cache.
 *
 *   node test/bench/documents/demo.js [--rounds 3] [--cache-ratio 0.2] [--threads 1]
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { DEMO_FOLDER } from '../../../libs/launcher/dist/index.js';
import { ALONE, BenchSystem, demoDocument, median } from './bench.system.js';

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    'cache-ratio': { type: 'string', default: '0.2' },
    threads: { type: 'string', default: '1' },
  },
});
const sheet = readFileSync(join(DEMO_FOLDER, 'questions.csv'), 'utf8').trim().split('\n').slice(1);
const asked = sheet.map((row) => row.split(',')).map(([, file, text]) => ({ file, text: text.replaceAll('"', '') }));

async function ask(system) {
  const ids = new Map();
  for (const name of new Set(asked.map(({ file }) => file))) {
    ids.set(name, await system.upload(name, 'user_data', demoDocument(name)));
  }
  const { ms, answers } = await system.batch(
    asked.map(({ file, text }) => ({
      max_tokens: 32,
      madakv: { cache_ratio: Number(flags['cache-ratio']) },
      messages: [
        {
          role: 'user',
          content: [
            { type: 'file', file: { file_id: ids.get(file) } },
            { type: 'text', text },
          ],
        },
      ],
    })),
  );
  const traces = await Promise.all(answers.map(({ madakv }) => system.trace(madakv.trace_id)));
  const modelMs = traces.reduce(
    (sum, { ms: each, cache }) =>
      sum + each.prefill / cache.sharing.requests + each.observe + each.evict + each.decode / cache.sharing.requests,
    0,
  );
  return { ms, modelMs, traces };
}

// One job at a time: what a request takes is its own then. Pages are drawn and seen in the first round, which does not count.
const ENVIRONMENT = { MADAKV_THREADS: flags.threads, MADAKV_CONCURRENCY: '1' };
const [shared, alone] = [
  await BenchSystem.start({ ...ENVIRONMENT, MADAKV_RESIDENT_BYTES: '0' }),
  await BenchSystem.start({ ...ENVIRONMENT, ...ALONE }),
];
const [on, off] = [[], []];
try {
  for (let round = 0; round <= Number(flags.rounds); round++) {
    const [a, b] = [await ask(shared), await ask(alone)];
    if (round === 0) continue;
    on.push(a);
    off.push(b);
  }
} finally {
  await shared.stop();
  await alone.stop();
}
const of = (runs, what) => median(runs.map((run) => run[what]));
const groups = new Map();
for (const trace of on.at(-1).traces) {
  groups.set(trace.lease.leaseId, [...(groups.get(trace.lease.leaseId) ?? []), trace]);
}
const shares = [...groups.values()].map(
  (group) => Math.max(...group[0].lease.events.map(({ bytes }) => bytes)) / group[0].cache.bytes.full,
);
console.log(
  JSON.stringify({
    questions: asked.length,
    groups: groups.size,
    modelSeconds: of(on, 'modelMs') / 1_000,
    modelSecondsAlone: of(off, 'modelMs') / 1_000,
    modelRatio: of(on, 'modelMs') / of(off, 'modelMs'),
    batchSeconds: of(on, 'ms') / 1_000,
    batchSecondsAlone: of(off, 'ms') / 1_000,
    mostLeaseOfOneFullCache: Math.max(...shares),
  }),
);
