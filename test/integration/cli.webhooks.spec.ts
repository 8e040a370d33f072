import type { WebhookDelivery } from '@madakv/contracts';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { captureRun } from '../../apps/cli/src/captured.run.js';
import { KEYS, TestGateway } from './gateway.fixture.js';

let gateway: TestGateway;
const folder = mkdtempSync(join(tmpdir(), 'madakv-webhooks-'));
beforeAll(async () => {
  gateway = await TestGateway.start();
});
afterAll(async () => {
  await gateway.stop();
  rmSync(folder, { recursive: true });
});

async function webhooks(...args: string[]): Promise<string[]> {
  const access = ['--url', gateway.url, '--api-key', KEYS.acme, '--data', join(folder, 'data')];
  const { code, stdout, stderr } = await captureRun(['webhooks', ...args, ...access], { cwd: folder });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout.trimEnd().split('\n');
}

it('adds, lists, rotates, repeats and deletes', async () => {
  const events = ['--event', 'batch.completed', '--event', 'batch.failed'];
  const [id, secret] = await webhooks('add', 'https://hooks.example/madakv', ...events);
  expect([id, secret]).toEqual([expect.stringMatching(/^wh_/), expect.stringMatching(/^whsec_/)]);
  const [head, row] = await webhooks('list');
  expect(head).toMatch(/^webhook +status +events +url$/);
  expect(row.split(/ {2,}/)).toEqual([id, 'enabled', 'completed,failed', 'https://hooks.example/madakv']);
  const [rotated] = await webhooks('rotate', id, '--keep', '2d');
  expect(rotated).toMatch(/^whsec_/);
  expect(rotated).not.toBe(secret);

  const event = { id: 'evt_1', object: 'event', created_at: 1, type: 'batch.failed', data: { id: 'batch_1' } } as const;
  const object: WebhookDelivery = {
    id: 'whd_1',
    object: 'webhook.delivery',
    webhook_id: id,
    event,
    status: 'failed',
    created_at: 1,
    next_attempt_at: null,
    attempt_count: 1,
    attempts: [{ at: 1, status_code: 404, error: 'answered with status 404; expected 200 to 299', ms: 1 }],
  };
  await gateway.records.deliveries.create({ tenant: 'acme', round: 0, tried: 1, object });
  const deliveries = await webhooks('deliveries', id);
  expect(deliveries[1].split(/ {2,}/)).toEqual([
    'whd_1',
    'batch.failed',
    'batch_1',
    'failed',
    '1',
    'answered with status 404; expected 200 to 299',
  ]);
  expect(JSON.parse((await webhooks('repeat', id, 'whd_1', '--json'))[0])).toMatchObject({ status: 'pending' });

  await gateway.records.webhooks.update('acme', id, (found) => ({
    ...found,
    disabled: { at: 1, reason: 'it failed' },
  }));
  expect((await webhooks('list'))[1]).toMatch(/disabled .*\(it failed\)$/);
  expect((await webhooks('enable', id))[1]).toMatch(/ enabled /);
  expect(await webhooks('rm', id)).toEqual([`${id} deleted`]);
  expect(await webhooks('list')).toHaveLength(1);
});
