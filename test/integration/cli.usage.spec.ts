import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { captureRun } from '../../apps/cli/src/captured.run.js';
import { awayFromMidnight, KEYS, MODEL, TestGateway } from './gateway.fixture.js';

let gateway: TestGateway;
const folder = mkdtempSync(join(tmpdir(), 'madakv-usage-'));
beforeAll(async () => {
  gateway = await TestGateway.start({ MADAKV_GATEWAY_LIMITS: '{"tokensPerDay": 100000}' });
});
afterAll(async () => {
  await gateway.stop();
  rmSync(folder, { recursive: true });
});

function usage(...args: string[]): ReturnType<typeof captureRun> {
  const access = ['--url', gateway.url, '--api-key', KEYS.acme, '--data', join(folder, 'data')];
  return captureRun(['usage', ...args, ...access], { cwd: folder });
}

it('shows what was used by day, and what may still be; as a table for spreadsheets, too', async () => {
  await awayFromMidnight();
  const none = await usage();
  expect(none.stdout).toMatch(/^no requests from \d{4}-\d\d-\d\d to \d{4}-\d\d-\d\d\n\ntokens today {3}0 used and 0 /);
  for (const content of ['say: a|b', 'fail: a']) {
    const messages = [{ role: 'user', content }];
    await gateway.postJson('/v1/chat/completions', { model: MODEL, messages });
  }
  const { code, stdout, stderr } = await usage('--by', 'model', '--days', '2');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const [head, row, total, , today, queued] = stdout.split('\n');
  expect(head).toMatch(/^date +model +requests +errors +prompt +cached +answer +tokens +cache +kept$/);
  expect(row).toMatch(/^\d{4}-\d\d-\d\d +fake-reader +2 +1 +5 +0 +2 +7 +100 B +20 B$/);
  expect(total).toMatch(/^total +2 +1 +5 +0 +2 +7 +100 B +20 B$/);
  expect(today).toMatch(/^tokens today {3}7 used and 0 reserved of 100,000; anew at \d{4}-\d\d-\d\d 00:00:00 UTC$/);
  expect(queued).toBe('queued tokens  0, no limit');
  const table = (await usage('--csv', '--by', 'model')).stdout;
  expect(table).toMatch(/^\uFEFFdate,model,requests,.*\r\n\d{4}-\d\d-\d\d,fake-reader,2,1,5,0,2,7,100,20\r\n$/);
  const report = JSON.parse((await usage('--json')).stdout) as object;
  expect(report).toMatchObject({ object: 'usage', total: { requests: 2, total_tokens: 7 } });
});

it('says what is wrong', async () => {
  const other = await usage('--tenant', 'other');
  expect(other.code).not.toBe(0);
  expect(other.stderr).toContain('This key sees the usage of its own tenant, acme.');
  expect((await usage('--days', '0')).code).toBe(2);
  const tooMany = await usage('--days', '93');
  expect(tooMany.code).toBe(2);
  expect(tooMany.stderr).toContain('It must be a whole number from 1 to 92.');
  expect(JSON.parse((await usage('--days', '92', '--json')).stdout)).toMatchObject({ object: 'usage' });
  expect((await usage('--by', 'weather')).code).toBe(2);
  expect((await usage('--csv', '--json')).code).toBe(2);
});
