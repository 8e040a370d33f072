import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { BUNDLED_MODEL, DEMO_FOLDER, LocalSystem } from '../../../libs/launcher/dist/index.js';

const ENDED = ['completed', 'failed', 'expired', 'cancelled'];
const POLL_MS = 50;

/** Nothing is shared between requests: each reads its documents by itself. */
export const ALONE = { MADAKV_GROUP: '1', MADAKV_RESIDENT_BYTES: '0' };

export const DEMO_DOCUMENTS = readdirSync(DEMO_FOLDER).filter((entry) => entry.endsWith('.pdf'));

export const demoDocument = (name) => readFileSync(join(DEMO_FOLDER, name));

/** So many questions, of the demo's sheet, from the start again where there are more. */
export function demoQuestions(count) {
  const sheet = readFileSync(join(DEMO_FOLDER, 'questions.csv'), 'utf8').trim().split('\n').slice(1);
  const asked = sheet.map((row) => row.split(',')[2].replaceAll('"', ''));
  return Array.from({ length: count }, (_, i) => asked[i % asked.length]);
}

/** A whole system on this machine: Redis, budget service, gateway, one worker. */
export class BenchSystem {
  static async start(environment) {
    const folder = mkdtempSync(join(tmpdir(), 'madakv-bench-'));
    const limits = JSON.stringify({ requestsPerMinute: 1_000_000 });
    const system = await LocalSystem.start({
      dataFolder: folder,
      model: BUNDLED_MODEL,
      environment: { MADAKV_GATEWAY_LIMITS: limits, ...environment },
    });
    return new BenchSystem(system, folder);
  }

  constructor(system, folder) {
    this.system = system;
    this.folder = folder;
    this.model = system.model;
  }

  async stop() {
    await this.system.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async call(path, init = {}) {
    const headers = { authorization: `Bearer ${this.system.apiKey}`, ...init.headers };
    const response = await fetch(`${this.system.url}${path}`, { ...init, headers });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response;
  }

  async post(path, body) {
    const init = { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
    return (await this.call(path, init)).json();
  }

  async upload(filename, purpose, content) {
    const form = new FormData();
    form.set('purpose', purpose);
    form.set('file', new File([content], filename));
    return (await (await this.call('/v1/files', { method: 'POST', body: form })).json()).id;
  }

  trace(id) {
    return this.call(`/v1/requests/${id}/trace`).then((response) => response.json());
  }

  /** @returns how long it took from its creation to its end, in milliseconds, and its answers in order */
  async batch(bodies) {
    const lines = bodies.map((body, i) =>
      JSON.stringify({
        custom_id: `q${i}`,
        method: 'POST',
        url: '/v1/chat/completions',
        body: { model: this.model, ...body },
      }),
    );
    const input = await this.upload('questions.jsonl', 'batch', lines.join('\n'));
    const started = performance.now();
    let state = await this.post('/v1/batches', {
      input_file_id: input,
      endpoint: '/v1/chat/completions',
      completion_window: '24h',
    });
    while (!ENDED.includes(state.status)) {
      await pause(POLL_MS);
      state = await (await this.call(`/v1/batches/${state.id}`)).json();
    }
    const ms = performance.now() - started;
    if (state.request_counts.completed !== bodies.length) {
      throw new Error(`not all were answered: ${JSON.stringify(state)}`);
    }
    const content = await (await this.call(`/v1/files/${state.output_file_id}/content`)).text();
    const answers = content
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).response.body);
    return { ms, answers };
  }
}

export function median(numbers) {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];
}

export const textOf = ({ choices }) => choices[0].message.content;
