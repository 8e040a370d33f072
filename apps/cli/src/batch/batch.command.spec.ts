import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RunFixture, requestLine } from './run.fixture.js';

let fixture: RunFixture;

beforeEach(async () => {
  fixture = await RunFixture.start();
});
afterEach(() => fixture.stop());

describe('madakv batch status, cancel, list', () => {
  it('shows, stops and lists batches', async () => {
    fixture.write('in.jsonl', `${requestLine('a')}\n`);
    await fixture.madakv('batch', 'run', 'in.jsonl');
    const id = [...fixture.server.batches.keys()][0];
    const shown = await fixture.madakv('batch', 'status', id);
    expect(shown.stdout).toContain(`batch    ${id}\nstatus   completed\nlines    1: 1 answered, 0 failed, 0 left\n`);
    expect((await fixture.madakv('batch', 'list')).stdout).toMatch(
      new RegExp(`${id} +completed +1970-01-01 00:00:01 UTC +1 +0 +1`),
    );
    const cancelled = await fixture.madakv('batch', 'cancel', id, '--json');
    expect(JSON.parse(cancelled.stdout)).toMatchObject({ id, status: 'cancelled' });
    expect(await fixture.madakv('batch', 'status', 'batch_x')).toMatchObject({
      code: 1,
      stderr: 'madakv: no batch batch_x (404 not_found)\n',
    });
  });
});
