import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RunFixture } from './run.fixture.js';

let fixture: RunFixture;

beforeEach(async () => {
  fixture = await RunFixture.start();
});
afterEach(() => fixture.stop());

describe('madakv batch run, interrupted', () => {
  beforeEach(() => {
    fixture.write('docs/questions.csv', 'file,question\na.pdf,Total?\nb.pdf,Date?\n');
  });

  it('goes on with the same batch, without sending anything again', async () => {
    const first = await fixture.interrupted('batch', 'run', 'docs', '-o', 'out.csv');
    expect(first.code).toBe(1);
    expect(first.stderr).toMatch(/the batch batch_\d+ goes on at the server; the same command waits for it again/);
    fixture.server.calls.length = 0;
    const { code, stderr } = await fixture.madakv('batch', 'run', 'docs', '-o', 'out.csv');
    expect(code).toBe(0);
    expect(stderr).toMatch(/^going on with the batch batch_\d+\n/);
    expect(fixture.server.calls.filter((call) => call.startsWith('POST'))).toEqual([]);
    expect(fixture.read('out.csv')).toContain('answer to Date?');
  });

  it('starts anew when something else is asked', async () => {
    await fixture.interrupted('batch', 'run', 'docs', '-o', 'out.csv');
    const { code, stderr } = await fixture.madakv('batch', 'run', 'docs', '-o', 'out.csv', '--cache-ratio', '0.5');
    expect(code).toBe(0);
    expect(stderr).toMatch(/starting anew; the batch batch_\d+ goes on without it/);
    expect(fixture.server.batches.size).toBe(2);
  });

  it('finds the batch that was created by a run that did not hear of it', async () => {
    await fixture.interrupted('batch', 'run', 'docs', '-o', 'out.csv');
    const state = JSON.parse(fixture.read('out.csv.run.json')) as Record<string, unknown>;
    delete state['batchId'];
    fixture.write('out.csv.run.json', JSON.stringify(state));
    expect((await fixture.madakv('batch', 'run', 'docs', '-o', 'out.csv')).code).toBe(0);
    expect(fixture.server.batches.size).toBe(1);
  });

  it('asks again where the results of the batch are gone', async () => {
    await fixture.interrupted('batch', 'run', 'docs', '-o', 'out.csv');
    const [id] = fixture.server.batches.keys();
    await fixture.madakv('batch', 'status', id);
    const output = fixture.server.batches.get(id)?.object.output_file_id ?? '';
    expect(fixture.server.files.delete(output)).toBe(true);
    const { code, stderr } = await fixture.madakv('batch', 'run', 'docs', '-o', 'out.csv');
    expect(stderr).toMatch(/^the results of the batch batch_\d+ are gone: asking again\n/);
    expect(code).toBe(0);
    expect(fixture.server.batches.size).toBe(2);
    expect(fixture.read('out.csv')).toContain('answer to Date?');
    expect(fixture.has('out.csv.run.json')).toBe(false);
  });

  it('uploads again what the server has forgotten', async () => {
    await fixture.interrupted('batch', 'run', 'docs', '-o', 'out.csv');
    fixture.server.batches.clear();
    fixture.server.files.clear();
    const { code } = await fixture.madakv('batch', 'run', 'docs', '-o', 'out.csv');
    expect(code).toBe(0);
    expect(fixture.sentDocuments()).toHaveLength(4);
  });
});
