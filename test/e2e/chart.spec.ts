import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { QueryDemandReplySchema } from '@madakv/contracts';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Rendered } from '../chart/chart.js';
import { NEEDS_TOOLS, TOOLS_ARE_THERE } from '../chart/tools.js';
import { CHECKPOINT } from '../integration/checkpoint.fixture.js';
import { RenderedPods, type RunningPod } from './rendered.pods.js';

const MODEL = 'tiny';

describe.skipIf(!TOOLS_ARE_THERE)(`what the chart renders, run for real${NEEDS_TOOLS}`, () => {
  let folder: string;
  let rendered: Rendered;
  let pods: RenderedPods;
  const services: RunningPod[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'madakv-chart-e2e-'));
    rendered = await Rendered.of({
      autoscaling: { enabled: true },
      models: { [MODEL]: { image: { path: CHECKPOINT } } },
      poolDefaults: { model: MODEL, deviceCapacity: '64Mi' },
      pools: [
        { name: 'batch', roles: ['batch'], autoscaling: { minReplicas: 1 } },
        { name: 'prepare', roles: ['prepare'] },
        { name: 'generate', roles: ['generate'] },
      ],
    });
    pods = new RenderedPods(rendered, folder);
    const redis = await pods.start('StatefulSet', 'demo-madakv-redis');
    await vi.waitUntil(() => redis.passes('readinessProbe'), { timeout: 60_000, interval: 100 });
    // In no order from here on: each waits for what it needs. Without Redis it would end and be started again.
    for (const name of ['budget', 'gateway', 'batch', 'prepare', 'generate']) {
      services.push(await pods.start('Deployment', `demo-madakv-${name}`));
    }
  });
  afterAll(async () => {
    await pods.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it('becomes ready by its own probes', async () => {
    for (const service of services) {
      for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe'] as const) {
        await expect
          .poll(async () => {
            const { child, output } = service;
            return child.exitCode === null ? { passes: await service.passes(probe) } : { code: child.exitCode, output };
          })
          .toEqual({ passes: true });
      }
    }
  });

  it('passes `helm test`', async () => {
    const test = await pods.start('Pod', 'demo-madakv-test');
    expect({ code: await test.ended(), output: test.output }).toMatchObject({ code: 0 });
    expect(test.output).toContain(`sent to ${MODEL}`);
  });

  it('tells KEDA its demand, at the address and with the token that KEDA is given, and nobody else', async () => {
    const text = JSON.stringify(rendered.one('ScaledObject', 'demo-madakv-generate'));
    const [, service = '', path = ''] = /"url":"http:\/\/([a-z-]+)\.ns\.svc:50052(\/[^"]+)"/.exec(text) ?? [];
    const url = `http://${pods.address(`${service}:50052`)}${path}`;
    const authorization = `Bearer ${pods.secret('demo-madakv-demand', 'token')}`;
    const demand = QueryDemandReplySchema.parse(await (await fetch(url, { headers: { authorization } })).json());
    expect(demand).toMatchObject({ demandBytes: 0, liveDevices: 1, bytesPerDevice: 64 * 1024 ** 2 });
    expect((await fetch(url)).status).toBe(401);
  });

  it('ends in order when it is told to', async () => {
    const ends = await Promise.all(services.map((service) => service.end('SIGTERM')));
    // The budget service is ended by Nest with the signal that it was sent.
    expect(ends).toEqual(['SIGTERM', 0, 0, 0, 0]);
  });
});
