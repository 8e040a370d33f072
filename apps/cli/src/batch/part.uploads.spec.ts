import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ApiClient } from '../api/api.client.js';
import { PARTS_ABOVE_BYTES, PART_BYTES, uploadInParts, type PartedFile, type SentParts } from './part.uploads.js';
import { RunFixture } from './run.fixture.js';

let fixture: RunFixture;
let client: ApiClient;
let kept: Map<string, SentParts>;
beforeEach(async () => {
  fixture = await RunFixture.start();
  client = new ApiClient({ url: fixture.server.url, signal: new AbortController().signal, pauseMs: 1 });
  kept = new Map();
});
afterEach(() => fixture.stop());

const memory = {
  find: (sha256: string) => kept.get(sha256),
  keep: (sha256: string, sent: SentParts | undefined) => {
    if (sent === undefined) kept.delete(sha256);
    else kept.set(sha256, sent);
  },
};

const CONTENT = Buffer.from('0123456789abcdef');
const FILE: PartedFile = {
  sha256: 'hash',
  bytes: CONTENT.length,
  filename: 'a.pdf',
  purpose: 'user_data',
  expiresAfterS: 7_200,
  read: (start, bytes) => Promise.resolve(CONTENT.subarray(start, start + bytes)),
};
/** Breaks off at a part. */
const broken = (at: number): PartedFile => ({
  ...FILE,
  read: (start, bytes) => (start === at ? Promise.reject(new Error('no line')) : FILE.read(start, bytes)),
});
const sent = (): string[] => [...fixture.server.files.values()].map(({ content }) => content.toString());
const parts = (): number[] => [...fixture.server.parted.uploads.values()].map((upload) => upload.parts.size);

describe('a file in parts', () => {
  it('arrives whole, and a part that did not is sent again', async () => {
    fixture.server.failNext.push({ status: 503 }, { status: 503 }, { status: 429 });
    const file = await uploadInParts(client, FILE, memory, 5);
    expect(file).toMatchObject({ filename: 'a.pdf', bytes: 16, purpose: 'user_data' });
    expect(file.expires_at).toBe(file.created_at + 7_200);
    expect(sent()).toEqual([CONTENT.toString()]);
    expect(parts()).toEqual([4]);
    expect(kept.size).toBe(0);
  });

  it('goes on where it broke off, with parts as large as they were', async () => {
    await expect(uploadInParts(client, broken(10), memory, 5)).rejects.toThrow('no line');
    expect(kept.get('hash')).toMatchObject({ partBytes: 5, partIds: ['part_2', 'part_3'] });
    await uploadInParts(client, FILE, memory, 7);
    expect(sent()).toEqual([CONTENT.toString()]);
    expect(parts()).toEqual([4]);
    expect(kept.size).toBe(0);
  });

  it('begins anew where the server has forgotten it', async () => {
    await expect(uploadInParts(client, broken(10), memory, 5)).rejects.toThrow('no line');
    fixture.server.parted.uploads.clear();
    await uploadInParts(client, FILE, memory, 8);
    expect(sent()).toEqual([CONTENT.toString()]);
    expect(parts()).toEqual([2]);
  });
});

describe('madakv batch run', () => {
  it('sends a large document in parts, and goes on with them after it was interrupted', async () => {
    const large = Buffer.alloc(PARTS_ABOVE_BYTES + 10, 'a');
    fixture.write('docs/large.pdf', large);
    fixture.write('q.csv', 'file,question\nlarge.pdf,Total?\na.pdf,Total?\n');
    const run = ['batch', 'run', 'docs', '--questions', 'q.csv', '-o', 'out.csv'];
    const stop = new AbortController();
    fixture.server.onCall = (call) => {
      if (fixture.server.count(call) === 3 && call.endsWith('/parts')) stop.abort(new Error('told to stop'));
    };
    await fixture.run(run, { signal: stop.signal });
    const hash = createHash('sha256').update(large).digest('hex');
    const state = JSON.parse(fixture.read('out.csv.run.json')) as { parts: Record<string, SentParts> };
    expect(state.parts[hash]).toMatchObject({ partBytes: PART_BYTES, partIds: { length: 2 } });
    expect((await fixture.madakv(...run)).code).toBe(0);
    // Two came before, and the third was on its way.
    expect(parts()).toEqual([4]);
    expect(fixture.sentDocuments().sort()).toEqual(['a.pdf', 'large.pdf']);
    expect(fixture.server.uploads.find(({ filename }) => filename === 'large.pdf')?.bytes).toBe(large.length);
    expect(fixture.has('out.csv.run.json')).toBe(false);
  });

  it('sends a large input file in parts', async () => {
    const long = 'x'.repeat(PARTS_ABOVE_BYTES);
    const line = (id: string, content: string): string =>
      JSON.stringify({
        custom_id: id,
        method: 'POST',
        url: '/v1/chat/completions',
        body: { model: 'fake-reader', messages: [{ role: 'user', content }] },
      });
    fixture.write('in.jsonl', `${line('a', long)}\n${line('b', 'short')}\n`);
    fixture.server.answer = () => 'yes';
    expect(await fixture.madakv('batch', 'run', 'in.jsonl')).toMatchObject({ code: 0 });
    expect(fixture.rows('in.answers.jsonl').map((row) => row['custom_id'])).toEqual(['a', 'b']);
    expect(fixture.server.uploads).toMatchObject([{ purpose: 'batch', filename: 'batch.jsonl' }]);
    expect(parts()).toEqual([3]);
  });
});
