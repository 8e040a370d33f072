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

describe('madakv batch retry', () => {
  it('asks the failed lines again, once, and shows the batch that they are', async () => {
    fixture.write('in.jsonl', `${requestLine('a')}\n${requestLine('b')}\n`);
    fixture.server.refusedLines = [2];
    await fixture.madakv('batch', 'run', 'in.jsonl');
    const id = [...fixture.server.batches.keys()][0];
    // An answer that never came: whoever asks again gets the same batch.
    fixture.server.failNext.push({ status: 503, headers: { 'retry-after': '0' } });
    const shown = await fixture.madakv('batch', 'retry', id);
    const made = [...fixture.server.batches.keys()][1];
    expect(shown).toMatchObject({ code: 0, stderr: '' });
    expect(shown.stdout).toContain(`batch    ${made}\nstatus   validating\n`);
    const again = await fixture.madakv('batch', 'retry', id, '--json');
    expect(JSON.parse(again.stdout)).toMatchObject({ id: made, object: 'batch' });
    expect(fixture.server.count(`POST /v1/batches/${id}/retry`)).toBe(3);
    expect(fixture.server.batches.size).toBe(2);
  });

  it('says why there is nothing to ask again', async () => {
    fixture.write('in.jsonl', `${requestLine('a')}\n`);
    await fixture.madakv('batch', 'run', 'in.jsonl');
    const id = [...fixture.server.batches.keys()][0];
    expect(await fixture.madakv('batch', 'retry', id)).toMatchObject({
      code: 1,
      stdout: '',
      stderr: `madakv: No line of ${id} failed. (409 conflict)\n`,
    });
    expect(await fixture.madakv('batch', 'retry', 'batch_x')).toMatchObject({
      code: 1,
      stderr: 'madakv: no batch batch_x (404 not_found)\n',
    });
  });
});

describe('madakv batch results', () => {
  it('writes what the server has, joined or not, to a file or standard output', async () => {
    expect(await fixture.madakv('batch', 'results', 'batch_1')).toMatchObject({
      code: 0,
      stdout: 'batch_1 format=jsonl&joined=true\n',
    });
    await fixture.madakv('batch', 'results', 'batch_1', '-o', 'new/a.csv', '--no-joined');
    expect(fixture.read('new/a.csv')).toBe('batch_1 format=csv&joined=false\n');
    await fixture.madakv('batch', 'results', 'batch_1', '-o', 'a.JSONL');
    expect(fixture.read('a.JSONL')).toBe('batch_1 format=jsonl&joined=true\n');
  });

  it('leaves what was there where it fails, and takes no other kind of file', async () => {
    fixture.write('a.jsonl', 'before');
    fixture.server.failNext.push({ status: 409 });
    expect((await fixture.madakv('batch', 'results', 'batch_1', '-o', 'a.jsonl')).code).toBe(1);
    expect(fixture.read('a.jsonl')).toBe('before');
    expect(await fixture.madakv('batch', 'results', 'batch_1', '-o', 'a.txt')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('a.txt: results are written as .csv or .jsonl') as string,
    });
  });
});
