import { readFileSync } from 'node:fs';
import { modelQueue } from '@madakv/contracts';
import { QueueKeys } from 'bullmq';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { environmentOf, Rendered } from './chart.js';
import { NEEDS_TOOLS, TOOLS_ARE_THERE, toolPath } from './tools.js';
import type { ChartValues } from './values.schema.js';

const TriggerSchema = z.strictObject({
  type: z.enum(['redis', 'metrics-api']),
  name: z.string().optional(),
  metadata: z.record(z.string(), z.string()),
  authenticationRef: z.strictObject({ name: z.string() }).optional(),
});

const ScaledObjectSchema = z.looseObject({
  spec: z.looseObject({
    scaleTargetRef: z.strictObject({ name: z.string() }),
    minReplicaCount: z.int(),
    maxReplicaCount: z.int(),
    pollingInterval: z.int(),
    cooldownPeriod: z.int(),
    fallback: z.strictObject({ failureThreshold: z.int(), replicas: z.int(), behavior: z.string() }),
    advanced: z.looseObject({
      scalingModifiers: z.strictObject({ target: z.string(), metricType: z.string(), formula: z.string() }).optional(),
    }),
    triggers: z.array(TriggerSchema),
  }),
});

const STATES = ['wait', 'prioritized', 'delayed', 'active'];
const MODEL = 'madakv-reader';

async function scaled(values: ChartValues): Promise<Rendered> {
  return Rendered.of({ ...values, autoscaling: { enabled: true } });
}

function scaler(rendered: Rendered, name: string): z.infer<typeof ScaledObjectSchema>['spec'] {
  return ScaledObjectSchema.parse(rendered.one('ScaledObject', name)).spec;
}

describe.skipIf(!TOOLS_ARE_THERE)(`scalers${NEEDS_TOOLS}`, () => {
  it('watch the very keys that BullMQ writes, whatever the prefix', async () => {
    for (const redis of [{}, { keyPrefix: '{site-a}' }, { keyPrefix: 'plain' }]) {
      const rendered = await scaled({ redis });
      const prefix =
        environmentOf(rendered.pod('Deployment', 'demo-madakv-gateway').spec.containers[0])['MADAKV_KEY_PREFIX'] ?? '';
      const keys = new QueueKeys(prefix);
      const lists = (name: string): string[] =>
        scaler(rendered, name).triggers.flatMap(({ metadata }) => metadata['listName'] ?? []);
      const expected = (queue: string): string[] => STATES.map((state) => keys.toKey(queue, state));
      expect(lists('demo-madakv-batch')).toEqual(expected('batch'));
      expect(lists('demo-madakv-prepare')).toEqual(expected(modelQueue('prepare', MODEL)));
      expect(lists('demo-madakv-generate')).toEqual(expected(modelQueue('generate', MODEL)));
    }
  });

  it('scale what generates by bytes over the bytes of one worker, and its share of them', async () => {
    const rendered = await scaled({
      pools: [
        { name: 'gpu', roles: ['generate'], model: MODEL, deviceCapacity: '40Gi', autoscaling: { share: 0.8 } },
        { name: 'cpu', roles: ['generate'], model: MODEL, deviceCapacity: '3Gi' },
      ],
    });
    const bytes = (name: string): z.infer<typeof TriggerSchema> | undefined =>
      scaler(rendered, name).triggers.find(({ type }) => type === 'metrics-api');
    expect(bytes('demo-madakv-cpu')).toEqual({
      type: 'metrics-api',
      metadata: {
        url: `http://demo-madakv-budget.ns.svc:50052/demand/${MODEL}`,
        valueLocation: 'demandBytes',
        targetValue: String(3 * 1024 ** 3),
        authMode: 'bearer',
      },
      authenticationRef: { name: 'demo-madakv-demand' },
    });
    expect(bytes('demo-madakv-gpu')?.metadata['targetValue']).toBe(String(50 * 1024 ** 3));
    const worker = rendered.pod('Deployment', 'demo-madakv-gpu').spec.containers[0];
    expect(environmentOf(worker)['MADAKV_DEVICE_CAPACITY_BYTES']).toBe(String(40 * 1024 ** 3));
  });

  it('keep a worker while a queue of requests holds anything, and no more than one for that', async () => {
    const { triggers, advanced } = scaler(await scaled({}), 'demo-madakv-generate');
    expect(advanced.scalingModifiers).toBeUndefined();
    const floors = triggers.filter(({ type }) => type === 'redis');
    expect(floors).toHaveLength(4);
    // More jobs than a Redis can hold are still one worker.
    for (const { metadata } of floors) expect(Number(metadata['listLength'])).toBeGreaterThanOrEqual(1e9);
  });

  it('wake a pool that both prepares and generates for what is to be prepared, which is no demand yet', async () => {
    const pools = [{ name: 'own', roles: ['prepare', 'generate'] as const, model: MODEL, deviceCapacity: '4Gi' }];
    const { triggers, minReplicaCount } = scaler(await scaled({ pools: pools as never }), 'demo-madakv-own');
    expect(minReplicaCount).toBe(0);
    const keys = new QueueKeys('{madakv}');
    const lists = triggers.flatMap(({ metadata }) => metadata['listName'] ?? []);
    for (const queue of [modelQueue('prepare', MODEL), modelQueue('generate', MODEL)]) {
      for (const state of STATES) expect(lists).toContain(keys.toKey(queue, state));
    }
  });

  it('scale the rest by the sum of all jobs that wait, come back or run', async () => {
    const rendered = await scaled({
      pools: [
        { name: 'both', roles: ['prepare', 'batch'], model: MODEL, autoscaling: { minReplicas: 1, jobsPerReplica: 5 } },
      ],
    });
    const { advanced, triggers, minReplicaCount } = scaler(rendered, 'demo-madakv-both');
    const names = triggers.map(({ name }) => name);
    expect(names).toEqual(['prepare', 'batch'].flatMap((role) => STATES.map((state) => `${role}_${state}`)));
    expect(advanced.scalingModifiers).toEqual({ target: '5', metricType: 'AverageValue', formula: names.join(' + ') });
    expect(minReplicaCount).toBe(1);
  });

  it('reach Redis and the budget service from a namespace of their own', async () => {
    const bundled = scaler(await scaled({}), 'demo-madakv-batch').triggers[0];
    expect(bundled).toMatchObject({
      metadata: { address: 'demo-madakv-redis.ns.svc:6379', enableTLS: 'false', databaseIndex: '0' },
      authenticationRef: { name: 'demo-madakv-redis' },
    });
    const external = {
      url: 'rediss://app@redis.example.com:6380/2',
      passwordSecret: { name: 'r' },
      caSecret: { name: 'c' },
    };
    const rendered = await scaled({ redis: { mode: 'external', external } });
    const metadata = { address: 'redis.example.com:6380', username: 'app', enableTLS: 'true', databaseIndex: '2' };
    expect(scaler(rendered, 'demo-madakv-batch').triggers[0]).toMatchObject({ metadata });
    expect(rendered.one('TriggerAuthentication', 'demo-madakv-redis')).toMatchObject({
      spec: {
        secretTargetRef: [
          { parameter: 'password', name: 'r', key: 'password' },
          { parameter: 'ca', name: 'c', key: 'ca.crt' },
        ],
      },
    });
    const open = await scaled({
      redis: { mode: 'external', external: { url: 'redis://r' } },
      budget: { demandToken: { enabled: false } },
    });
    expect(open.all('TriggerAuthentication')).toEqual([]);
    expect(JSON.stringify(open.all('ScaledObject'))).not.toContain('authenticationRef');
  });

  it('give only keys that KEDA reads', async () => {
    const known = (file: string): string[] =>
      [
        ...readFileSync(toolPath('keda-scalers', `scalers/${file}`), 'utf8').matchAll(/keda:"name=([A-Za-z;]+)/g),
      ].flatMap(([, names = '']) => names.split(';'));
    const keys = {
      redis: known('redis_scaler.go'),
      'metrics-api': [...known('metrics_api_scaler.go'), ...known('authentication/authentication_types.go')],
    };
    const external = {
      url: 'rediss://app@redis.example.com:6380/2',
      passwordSecret: { name: 'r' },
      caSecret: { name: 'c' },
    };
    const rendered = await scaled({ redis: { mode: 'external', external } });
    for (const object of rendered.all('ScaledObject')) {
      for (const { type, metadata } of ScaledObjectSchema.parse(object).spec.triggers) {
        expect(Object.keys(metadata).filter((key) => !keys[type].includes(key))).toEqual([]);
      }
    }
    const parameters = JSON.stringify(rendered.all('TriggerAuthentication')).matchAll(/"parameter":"(\w+)"/g);
    for (const [, parameter = ''] of parameters) expect([...keys.redis, ...keys['metrics-api']]).toContain(parameter);
  });

  it('leave the number of workers to KEDA, and where there is none to `replicas`', async () => {
    const pools: ChartValues['pools'] = [
      { name: 'a', roles: ['generate'], model: MODEL, replicas: 3 },
      { name: 'b', roles: ['generate'], model: MODEL, replicas: 4, autoscaling: { enabled: false } },
      { name: 'c', roles: ['generate'], model: MODEL, autoscaling: { external: true } },
    ];
    const on = await scaled({ pools });
    expect(on.one('Deployment', 'demo-madakv-a')['spec']).not.toHaveProperty('replicas');
    expect(on.one('Deployment', 'demo-madakv-b')).toMatchObject({ spec: { replicas: 4 } });
    expect(on.all('ScaledObject').map(({ metadata }) => metadata.name)).toEqual(['demo-madakv-a']);
    expect(scaler(on, 'demo-madakv-a').scaleTargetRef).toEqual({ name: 'demo-madakv-a' });
    const off = await Rendered.of({ pools });
    for (const each of [on, off])
      expect(each.one('Deployment', 'demo-madakv-c')['spec']).not.toHaveProperty('replicas');
    expect(off.one('Deployment', 'demo-madakv-a')).toMatchObject({ spec: { replicas: 3 } });
    expect(off.objects.filter(({ apiVersion }) => apiVersion.startsWith('keda.sh'))).toEqual([]);
  });

  it('hold what is there when the figure is away, and go down slowly', async () => {
    expect(scaler(await scaled({}), 'demo-madakv-generate')).toMatchObject({
      minReplicaCount: 0,
      maxReplicaCount: 8,
      pollingInterval: 10,
      cooldownPeriod: 300,
      fallback: { failureThreshold: 3, replicas: 1, behavior: 'currentReplicasIfHigher' },
      advanced: {
        horizontalPodAutoscalerConfig: {
          behavior: {
            scaleUp: { stabilizationWindowSeconds: 0 },
            scaleDown: {
              stabilizationWindowSeconds: 900,
              policies: [{ type: 'Percent', value: 50, periodSeconds: 60 }],
            },
          },
        },
      },
    });
  });
});
