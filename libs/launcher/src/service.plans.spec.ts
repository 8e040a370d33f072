import { expect, it } from 'vitest';
import { DataFolder } from './data.folder.js';
import { workerPlan } from './service.plans.js';

it.each([
  [{}, 60_000],
  [{ MADAKV_GRACE_MS: '' }, 60_000],
  [{ MADAKV_GRACE_MS: '600000' }, 635_000],
  [{ MADAKV_GRACE_MS: '1' }, 35_001],
  // The worker says what is wrong with it.
  [{ MADAKV_GRACE_MS: 'long' }, 60_000],
])('waits for a worker with %j for longer than it may take: %i ms', (env, graceMs) => {
  const folder = new DataFolder('/nowhere');
  const context = { folder, env, redisUrl: 'redis://127.0.0.1:1', budgetPort: 1, model: '/models/m' };
  expect(workerPlan(context, 1, 2)).toMatchObject({ name: 'worker-1', graceMs });
});
