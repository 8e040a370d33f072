#!/usr/bin/env node
/*
 * The first and the second question about a document that nobody has seen before, as chats: time to the first token.
 *
 *   node test/bench/documents/resident.js [--rounds 5] [--threads 1]
 */
import { parseArgs } from 'node:util';
import { BenchSystem, DEMO_DOCUMENTS, demoDocument, demoQuestions, median, textOf } from './bench.system.js';

const { values: flags } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, threads: { type: 'string', default: '1' } },
});
const system = await BenchSystem.start({ MADAKV_THREADS: flags.threads });
const times = { first: [], second: [], cached: [], reason: [] };
try {
  const [question, other] = demoQuestions(2);
  const ask = async (files, text) => {
    const body = await system.post('/v1/chat/completions', {
      model: system.model,
      max_tokens: 16,
      messages: [{ role: 'user', content: [...files, { type: 'text', text }] }],
    });
    return { text: textOf(body), trace: await system.trace(body.madakv.trace_id) };
  };
  for (let round = 0; round <= Number(flags.rounds); round++) {
    const files = [];
    for (const name of DEMO_DOCUMENTS) {
      // Another file, so other pages, as far as anybody knows.
      const content = Buffer.concat([demoDocument(name), Buffer.from(`%${round}\n`)]);
      files.push({ type: 'file', file: { file_id: await system.upload(name, 'user_data', content) } });
    }
    // Pages are drawn before: what is compared is the model's work.
    await system.post('/v1/chat/completions', {
      model: system.model,
      max_tokens: 1,
      messages: [{ role: 'user', content: [{ type: 'text', text: 'Hello' }] }],
    });
    const first = await ask(files, question);
    const second = await ask(files, other);
    if (round === 0) continue;
    times.first.push(first.trace.ms.firstToken);
    times.second.push(second.trace.ms.firstToken);
    times.cached.push(second.trace.cache.sharing.cachedTokens);
    times.reason.push(second.trace.cache.sharing.reason);
  }
} finally {
  await system.stop();
}
const [first, second] = [median(times.first), median(times.second)];
console.log(JSON.stringify({ firstMs: first, secondMs: second, ratio: first / second, ...times }));
