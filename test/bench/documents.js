#!/usr/bin/env node
/*
 * Questions about one document through the whole system: gateway, Redis, budget service, one worker. Each number of questions is
 * answered as a batch with sharing on and with sharing off, in turns, on the pages of the demo and with the bundled reader.
 *
 *   node test/bench/documents.js [--questions 1,2,5,10,20,50] [--rounds 3] [--cache-ratio 0.1] [--threads 1] [--out FILE.json]
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { BUNDLED_MODEL, DEMO_FOLDER, LocalSystem } from '../../libs/launcher/dist/index.js';

const { values: flags } = parseArgs({
  options: {
    questions: { type: 'string', default: '1,2,5,10,20,50' },
    rounds: { type: 'string', default: '3' },
    'cache-ratio': { type: 'string', default: '0.1' },
    threads: { type: 'string', default: '1' },
    out: { type: 'string' },
  },
});
const counts = flags.questions.split(',').map(Number);
const rounds = Number(flags.rounds);
const cacheRatio = Number(flags['cache-ratio']);

/** A system, with the documents uploaded to it. */
async function open(name, environment) {
  const folder = mkdtempSync(join(tmpdir(), `madakv-bench-${name}-`));
  const system = await LocalSystem.start({
    dataFolder: folder,
    model: BUNDLED_MODEL,
    environment: {
      MADAKV_THREADS: flags.threads,
      MADAKV_GATEWAY_LIMITS: '{"requestsPerMinute":1000000}',
      ...environment,
    },
  });
  const call = async (path, init = {}) => {
    const headers = { authorization: `Bearer ${system.apiKey}`, ...init.headers };
    const response = await fetch(`${system.url}${path}`, { ...init, headers });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response;
  };
  const upload = async (filename, purpose, content) => {
    const form = new FormData();
    form.set('purpose', purpose);
    form.set('file', new File([content], filename));
    return (await (await call('/v1/files', { method: 'POST', body: form })).json()).id;
  };
  const documents = [];
  for (const filename of readdirSync(DEMO_FOLDER).filter((entry) => entry.endsWith('.pdf'))) {
    documents.push(await upload(filename, 'user_data', readFileSync(join(DEMO_FOLDER, filename))));
  }
  return {
    call,
    upload,
    documents,
    model: system.model,
    stop: async () => {
      await system.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function questions(count) {
  const sheet = readFileSync(join(DEMO_FOLDER, 'questions.csv'), 'utf8').trim().split('\n').slice(1);
  const asked = sheet.map((row) => row.split(',')[2].replaceAll('"', ''));
  return Array.from({ length: count }, (_, i) => asked[i % asked.length]);
}

async function batch({ call, upload, documents, model }, count) {
  const lines = questions(count).map((text, i) =>
    JSON.stringify({
      custom_id: `q${i}`,
      method: 'POST',
      url: '/v1/chat/completions',
      body: {
        model,
        max_tokens: 16,
        madakv: { cache_ratio: cacheRatio },
        messages: [
          {
            role: 'user',
            content: [...documents.map((file_id) => ({ type: 'file', file: { file_id } })), { type: 'text', text }],
          },
        ],
      },
    }),
  );
  const input = await upload('questions.jsonl', 'batch', lines.join('\n'));
  const started = performance.now();
  const body = JSON.stringify({ input_file_id: input, endpoint: '/v1/chat/completions', completion_window: '24h' });
  let state = await (
    await call('/v1/batches', { method: 'POST', body, headers: { 'content-type': 'application/json' } })
  ).json();
  while (!['completed', 'failed', 'expired', 'cancelled'].includes(state.status)) {
    await pause(10);
    state = await (await call(`/v1/batches/${state.id}`)).json();
  }
  const ms = performance.now() - started;
  if (state.request_counts.completed !== count) throw new Error(`answered ${JSON.stringify(state.request_counts)}`);
  const output = (await (await call(`/v1/files/${state.output_file_id}/content`)).text())
    .trim()
    .split('\n')
    .map(JSON.parse);
  const traces = await Promise.all(
    output.map(async ({ response }) => (await call(`/v1/requests/${response.body.madakv.trace_id}/trace`)).json()),
  );
  return { ms, traces, texts: output.map(({ response }) => response.body.choices[0].message.content) };
}

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];

const [shared, alone] = [await open('shared', {}), await open('alone', { MADAKV_GROUP: '1' })];
const rows = [];
try {
  for (const system of [shared, alone]) await batch(system, 1);
  for (const count of counts) {
    const [on, off] = [[], []];
    for (let round = 0; round < rounds; round++) {
      on.push(await batch(shared, count));
      off.push(await batch(alone, count));
    }
    const last = on.at(-1).traces;
    const same = on.at(-1).texts.filter((text, i) => text === off.at(-1).texts[i]).length;
    const [seconds, secondsAlone] = [on, off].map((runs) => median(runs.map(({ ms }) => ms)) / 1_000);
    const prefill = median(on.map(({ traces }) => Math.max(...traces.map(({ ms }) => ms.prefill))));
    const prefillAlone = median(off.flatMap(({ traces }) => traces.map(({ ms }) => ms.prefill)));
    const row = {
      questions: count,
      seconds,
      secondsAlone,
      ratio: secondsAlone / seconds,
      prefillRatio: prefill / prefillAlone,
      promptTokens: last[0].usage.promptTokens,
      groups: new Set(last.map(({ lease }) => lease.leaseId)).size,
      same,
      ms: Object.fromEntries(
        Object.keys(last[0].ms).map((key) => [key, Math.round(Math.max(...last.map(({ ms }) => ms[key])))]),
      ),
      peakBytes: Math.max(...last.map(({ lease }) => Math.max(...lease.events.map(({ bytes }) => bytes)))),
      fullBytes: last[0].cache.bytes.full,
    };
    rows.push(row);
    console.log(JSON.stringify(row));
  }
} finally {
  await shared.stop();
  await alone.stop();
}
if (flags.out !== undefined)
  writeFileSync(flags.out, `${JSON.stringify({ cacheRatio, threads: Number(flags.threads), rows }, null, 2)}\n`);
