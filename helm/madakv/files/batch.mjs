/* global AbortSignal, Blob, FormData, fetch */
// What `helm test` runs: sends one batch of one question through the gateway, as any client does, and checks its answer.
import { env, exit } from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';

const { GATEWAY, MODEL, API_KEY = '', TIMEOUT_S = '900' } = env;
const deadline = Date.now() + Number(TIMEOUT_S) * 1_000;
const headers = API_KEY === '' ? {} : { authorization: `Bearer ${API_KEY}` };

async function call(path, init = {}) {
  const response = await fetch(`${GATEWAY}${path}`, {
    ...init,
    headers: { ...headers, ...init.headers },
    signal: AbortSignal.timeout(60_000),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${init.method ?? 'GET'} ${path}: ${response.status} ${text}`);
  return text;
}

function postJson(path, body) {
  return call(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
}

async function ask() {
  const line = {
    custom_id: 'helm-test',
    method: 'POST',
    url: '/v1/chat/completions',
    body: {
      model: MODEL,
      max_tokens: 16,
      messages: [{ role: 'user', content: 'Invoice 17 is due on 3 May. When is it due?' }],
    },
  };
  const form = new FormData();
  form.append('purpose', 'batch');
  form.append('file', new Blob([`${JSON.stringify(line)}\n`]), 'helm-test.jsonl');
  const file = JSON.parse(await call('/v1/files', { method: 'POST', body: form }));
  const request = { input_file_id: file.id, endpoint: '/v1/chat/completions', completion_window: '24h' };
  let batch = JSON.parse(await postJson('/v1/batches', request));
  console.log(`${batch.id}: sent to ${MODEL}`);
  let told = '';
  while (!['completed', 'failed', 'expired', 'cancelled'].includes(batch.status)) {
    if (Date.now() > deadline) {
      await call(`/v1/batches/${batch.id}/cancel`, { method: 'POST' }).catch(() => undefined);
      throw new Error(`${batch.id} is still ${batch.status} after ${TIMEOUT_S} s`);
    }
    if (batch.status !== told) console.log(`${batch.id}: ${batch.status}`);
    told = batch.status;
    await pause(1_000);
    // A gateway that is replaced just now is no failed test.
    batch = await call(`/v1/batches/${batch.id}`).then(JSON.parse, () => batch);
  }
  const output = batch.output_file_id ? await call(`/v1/files/${batch.output_file_id}/content`) : '';
  const errors = batch.error_file_id ? await call(`/v1/files/${batch.error_file_id}/content`) : '';
  const ids = [file.id, batch.output_file_id, batch.error_file_id].filter(Boolean);
  await Promise.all(ids.map((id) => call(`/v1/files/${id}`, { method: 'DELETE' }).catch(() => undefined)));
  if (batch.status !== 'completed' || errors !== '') {
    throw new Error(`${batch.id} is ${batch.status}: ${JSON.stringify(batch.errors ?? null)} ${errors}`);
  }
  const answers = output.trim().split('\n').map(JSON.parse);
  const [answer] = answers;
  const choice = answer?.response?.body?.choices?.[0];
  const content = choice?.message?.content;
  if (
    answers.length !== 1 ||
    answer.custom_id !== 'helm-test' ||
    typeof content !== 'string' ||
    !choice.finish_reason
  ) {
    throw new Error(`${batch.id}: not the answer to what was asked: ${output}`);
  }
  console.log(`${batch.id}: answered ${JSON.stringify(content)}`);
}

await ask().catch((error) => {
  console.error(error.message, error.cause?.message ?? '');
  exit(1);
});
