import { describe, expect, it } from 'vitest';
import { refusal } from './chart.js';
import { NEEDS_TOOLS, TOOLS_ARE_THERE } from './tools.js';
import type { ChartValues } from './values.schema.js';

/** Wrong values of types that TypeScript would refuse as well. */
const wrong = (values: unknown): ChartValues => values as ChartValues;
const pool = (of: object): ChartValues =>
  wrong({ pools: [{ name: 'a', roles: ['generate'], model: 'madakv-reader', ...of }] });

describe.skipIf(!TOOLS_ARE_THERE)(`a wrong value${NEEDS_TOOLS}`, () => {
  it.each<[string, ChartValues, string]>([
    [
      'a setting that no service knows',
      wrong({ gateway: { settings: { MADAKV_GATEWAY_LIMIT: 1 } } }),
      "/gateway/settings': additional properties 'MADAKV_GATEWAY_LIMIT' not allowed",
    ],
    [
      "another service's setting",
      wrong({ budget: { settings: { MADAKV_PAGE_DPI: 1 } } }),
      "/budget/settings': additional properties 'MADAKV_PAGE_DPI' not allowed",
    ],
    [
      'a setting that the chart gives itself',
      pool({ settings: { MADAKV_GRACE_MS: 1 } }),
      "/pools/0/settings': additional properties 'MADAKV_GRACE_MS' not allowed",
    ],
    [
      'a tenant that the gateway does not take',
      wrong({ gateway: { apiKeys: { tenant: 'acme:docs' } } }),
      "/gateway/apiKeys/tenant': 'acme:docs' does not match pattern",
    ],
    ['a misspelt key', wrong({ redis: { extrenal: {} } }), "/redis': additional properties 'extrenal' not allowed"],
    [
      'a role that there is not',
      pool({ roles: ['train'] }),
      "/pools/0/roles/0': value must be one of 'batch', 'prepare', 'generate'",
    ],
    ['a device without memory', pool({ deviceCapacity: 0 }), '/pools/0/deviceCapacity'],
    ['a capacity in gigabytes of a thousand', pool({ deviceCapacity: '40G' }), '/pools/0/deviceCapacity'],
    ['a share above one', pool({ autoscaling: { share: 1.5 } }), '/pools/0/autoscaling/share'],
    [
      'a password in the address of Redis',
      wrong({ redis: { mode: 'external', external: { url: 'redis://:secret@redis' } } }),
      '/redis/external/url',
    ],
    [
      'a model that is two things',
      wrong({ models: { m: { image: { path: '/a' }, claim: { name: 'c', path: 'p' } } } }),
      '/models/m',
    ],
    ['a digest that is none', wrong({ image: { digest: 'sha256:1' } }), '/image/digest'],
    ['a pool name that Kubernetes does not take', pool({ name: 'GPU' }), '/pools/0/name'],
    [
      'an external Redis without address',
      wrong({ redis: { mode: 'external' } }),
      'redis.external.url: needed with redis.mode external',
    ],
    ['a bucket without name', wrong({ storage: { type: 's3' } }), 'storage.s3.bucket: needed with storage.type s3'],
    ['a pool without its model', pool({ model: '' }), 'pools[a].model: needed for the roles prepare and generate'],
    ['a model that is not there', pool({ model: 'other' }), 'pools[a].model: other is none of models'],
    [
      'an int8 cache on a GPU',
      pool({ kvCache: 'int8', provider: 'webgpu' }),
      'pools[a].kvCache: int8 is for provider cpu',
    ],
    ['half precision on a processor', pool({ precision: 'fp16' }), 'pools[a].precision: fp16 is for provider webgpu'],
    [
      'more workers at least than at most',
      wrong({ autoscaling: { enabled: true }, ...pool({ autoscaling: { minReplicas: 9 } }) }),
      'pools[a].autoscaling.minReplicas: 9 is more than maxReplicas 8',
    ],
    [
      'two pools of one name',
      wrong({
        pools: [
          { name: 'a', roles: ['batch'] },
          { name: 'a', roles: ['batch'] },
        ],
      }),
      'pools: two are called a',
    ],
    ['a route without Gateway', wrong({ gateway: { route: { enabled: true } } }), 'gateway.route.parentRefs: needed'],
  ])('is refused with its path: %s', async (_what, values, message) => {
    expect(await refusal(values)).toContain(message);
    expect(await refusal(values, { helm: 3 })).toContain(message);
  });
});
