import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { KEYS, MODEL, TestGateway } from './gateway.fixture.js';

const SCRIPT = fileURLToPath(new URL('../../helm/madakv/files/batch.mjs', import.meta.url));

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await TestGateway.start();
});
afterAll(() => gateway.stop());

/** Runs what `helm test` runs. */
async function helmTest(environment: Record<string, string>): Promise<{ code: number; output: string }> {
  const env = {
    PATH: process.env['PATH'],
    GATEWAY: gateway.url,
    MODEL,
    API_KEY: KEYS.acme,
    TIMEOUT_S: '120',
    ...environment,
  };
  const child = spawn(process.execPath, [SCRIPT], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece) => (output += String(piece)));
  const [code] = (await once(child, 'close')) as [number];
  return { code, output };
}

describe('the batch of `helm test`', () => {
  it('is answered, and leaves no files', async () => {
    const { code, output } = await helmTest({});
    expect({ code, output }).toEqual({ code: 0, output: expect.stringMatching(/answered ".*"\n$/) as string });
    expect((await gateway.client().files.list()).data).toEqual([]);
  });

  it('fails with a key that is not known', async () => {
    const { code, output } = await helmTest({ API_KEY: 'mk-unknown-0123456789' });
    expect({ code, output }).toEqual({ code: 1, output: expect.stringContaining('401') as string });
  });

  it('fails when nobody answers in time, and takes its batch back', async () => {
    gateway.worker.batches.run = false;
    const { code, output } = await helmTest({ TIMEOUT_S: '2' });
    expect({ code, output }).toMatchObject({ code: 1, output: expect.stringContaining('after 2 s') as string });
    const statuses = async () => (await gateway.client().batches.list()).data.map(({ status }) => status);
    await expect.poll(statuses).toEqual(['cancelled', 'completed']);
  });
});
