import { Redis } from 'ioredis';
import { expect, it } from 'vitest';
import { TestServices } from './budget.services.js';

const services = new TestServices();

const DEVICES = 100;
const CALLERS = 200;

it('who asks for the demand, or what no device holds, costs Redis no step for each device again', async () => {
  const settings = services.fresh({ MADAKV_BUDGET_SWEEP_MS: '86400000' });
  const { client } = await services.start(settings);
  for (let i = 0; i < DEVICES; i++) {
    await client.call('registerDevice', { deviceId: `d${i}`, workerId: 'w', capacityBytes: 1_000 + i });
  }
  const redis = new Redis(services.redis.url);
  await redis.config('RESETSTAT');
  const impossible = { peakBytes: 9_999, targetBytes: 9_999, minBytes: 9_999, fullBytes: 9_999 };
  const [demands, answers] = await Promise.all([
    Promise.all(Array.from({ length: CALLERS }, () => client.call('queryDemand', {}))),
    Promise.all(
      Array.from({ length: CALLERS }, (_, i) =>
        client.call('acquire', { deviceId: 'd0', jobId: `j${i}`, holder: 'a', tenant: 't', rank: 0, need: impossible }),
      ),
    ),
  ]);
  expect(new Set(demands.map(({ liveDevices }) => liveDevices))).toEqual(new Set([DEVICES]));
  const largest = { largestDeviceId: `d${DEVICES - 1}`, largestCapacityBytes: 1_000 + DEVICES - 1 };
  for (const answer of answers) expect(answer).toMatchObject({ outcome: 'impossible', impossible: largest });
  const calls = Number(/cmdstat_evalsha:calls=(\d+)/.exec(await redis.info('commandstats'))?.[1]);
  redis.disconnect();
  // Two for each caller at the most, and a few readings of all devices; one reading for each caller would be 40,000.
  expect(calls).toBeLessThan((2 * CALLERS * DEVICES) / 4);
});
