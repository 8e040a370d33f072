import { newApiKey } from '@madakv/contracts';
import {
  freePort,
  startFakeOtlpCollector,
  startRedis,
  type FakeOtlpCollector,
  type RedisServer,
} from '@madakv/testing';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const { key, record } = newApiKey('acme');
/** Starting a process takes its time on a busy machine. */
const START = { timeout: 60_000 };
const TRACE_ID = '0af7651916cd43dd8448eb211c80319c';
const CALLER_SPAN = 'b7ad6b7169203331';

let safe: RedisServer;
let volatile: RedisServer;
let collector: FakeOtlpCollector;
let folder: string;
const running: Gateway[] = [];

beforeAll(async () => {
  [safe, volatile] = await Promise.all([startRedis({ appendOnly: true }), startRedis()]);
  collector = await startFakeOtlpCollector();
  folder = await mkdtemp(join(tmpdir(), 'madakv-process-'));
});
afterEach(async () => {
  for (const gateway of running.splice(0)) await gateway.end('SIGKILL');
});
afterAll(async () => {
  await Promise.all([safe.stop(), volatile.stop(), collector.stop(), rm(folder, { recursive: true })]);
});

interface Gateway {
  readonly url: string;
  readonly output: () => string;
  readonly end: (signal: NodeJS.Signals) => Promise<number | null>;
  readonly child: ChildProcess;
}

/** The built gateway as a process of its own. */
async function start(environment: Record<string, string>): Promise<Gateway> {
  const [port, healthPort] = [await freePort(), await freePort()];
  const child = spawn(process.execPath, [`${ROOT}apps/gateway/dist/main.js`], {
    env: {
      PATH: process.env['PATH'],
      MADAKV_REDIS_URL: safe.url,
      MADAKV_STORAGE: folder,
      MADAKV_GATEWAY_PORT: String(port),
      MADAKV_GATEWAY_HEALTH_PORT: String(healthPort),
      MADAKV_API_KEYS: JSON.stringify([record]),
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece) => (output += String(piece)));
  const gone = once(child, 'exit');
  const gateway = {
    url: `http://127.0.0.1:${port}`,
    output: () => output,
    child,
    end: async (signal: NodeJS.Signals) => {
      child.kill(signal);
      await gone;
      return child.exitCode;
    },
  };
  running.push(gateway);
  return gateway;
}

async function started(environment: Record<string, string> = {}): Promise<Gateway> {
  const gateway = await start(environment);
  await expect.poll(() => gateway.output(), START).toContain('listening on');
  return gateway;
}

describe('the process', { timeout: 120_000 }, () => {
  it.each([
    ['without keys', { MADAKV_API_KEYS: '' }, 'there are no API keys'],
    ['with a bad setting', { MADAKV_GATEWAY_PORT: 'eighty' }, 'MADAKV_GATEWAY_PORT: expected a whole number'],
    ['with bad limits', { MADAKV_GATEWAY_LIMITS: '{"storedBites": 1}' }, 'MADAKV_GATEWAY_LIMITS: expected'],
    ['without a Redis', { MADAKV_REDIS_URL: 'redis://127.0.0.1:1' }, 'MADAKV_REDIS_URL: Redis does not answer'],
    ['on a store that is none', { MADAKV_STORAGE: 's3://' }, 's3:// is not a bucket'],
  ])('does not start %s, and says why in a line', async (_what, environment: Record<string, string>, message) => {
    const gateway = await start(environment);
    await expect.poll(() => gateway.child.exitCode, START).toBe(2);
    expect(gateway.output()).toContain(message);
    expect(gateway.output()).not.toContain('    at ');
  });

  it('does not start on a Redis that may lose jobs, unless told to', async () => {
    const refused = await start({ MADAKV_REDIS_URL: volatile.url });
    await expect.poll(() => refused.child.exitCode, START).toBe(2);
    expect(refused.output()).toContain('append-only persistence is off');
    await started({ MADAKV_REDIS_URL: volatile.url, MADAKV_ALLOW_VOLATILE_REDIS: 'true' });
  });

  it('logs requests as JSON without their text, and ends in order', async () => {
    const gateway = await started();
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json', 'x-request-id': 'mine' };
    const body = JSON.stringify({ model: 'nobody', messages: [{ role: 'user', content: 'a secret question' }] });
    await fetch(`${gateway.url}/v1/chat/completions?secret=1`, { method: 'POST', headers, body });
    await fetch(`${gateway.url}/v1/files/file-none`, { headers });
    await expect.poll(() => gateway.output()).toContain('/v1/files/:id');
    expect(await gateway.end('SIGTERM')).toBe(0);
    const lines = gateway
      .output()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { message: unknown; context?: string });
    const requests = lines.filter(({ context }) => context === 'Http').map(({ message }) => message);
    expect(requests).toMatchObject([
      { method: 'POST', route: '/v1/chat/completions', status: 404, tenant: 'acme', requestId: 'mine' },
      { method: 'GET', route: '/v1/files/:id', status: 404, tenant: 'acme' },
    ]);
    for (const hidden of ['secret', key]) expect(gateway.output()).not.toContain(hidden);
  });

  it('has a span a request in the trace of its caller, and names it', async () => {
    const gateway = await started(collector.environment);
    const headers = { authorization: `Bearer ${key}`, traceparent: `00-${TRACE_ID}-${CALLER_SPAN}-01` };
    const response = await fetch(`${gateway.url}/v1/files/file-none`, { headers });
    expect(response.headers.get('traceparent')).toContain(`00-${TRACE_ID}-`);
    await gateway.end('SIGTERM');
    const span = collector.spans().find(({ name }) => name === 'GET /v1/files/:id');
    expect(span).toMatchObject({ traceId: TRACE_ID, parentSpanId: CALLER_SPAN, kind: 2 });
    expect(span?.attributes).toMatchObject({
      'http.request.method': 'GET',
      'http.route': '/v1/files/:id',
      'http.response.status_code': 404,
      'madakv.tenant': 'acme',
    });
  });
});
