import { BATCH_ENDPOINT, type BatchRecord } from '@madakv/contracts';
import { LocalFileStore } from '@madakv/storage';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { BatchInput } from './batch.input.js';
import { BatchOrder, type OrderedRow } from './batch.order.js';

let folder: string;
let store: LocalFileStore;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'madakv-order-'));
  store = await LocalFileStore.open(folder);
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const KEY = 'files/file-input';
const record = (changes: Partial<BatchRecord> = {}): BatchRecord =>
  ({
    tenant: 'acme',
    inputKey: KEY,
    cursor: { byte: 0, line: 1 },
    object: { id: 'batch_a', input_file_id: 'file-input' },
    ...changes,
  }) as BatchRecord;

function line(i: number, file_id: string | undefined, model = 'reader'): string {
  const document = file_id === undefined ? [] : [{ type: 'file', file: { file_id } }];
  const content = [...document, { type: 'text', text: `Question ${i}?` }];
  const body = { model, messages: [{ role: 'user', content }] };
  return JSON.stringify({ custom_id: `c${i}`, method: 'POST', url: BATCH_ENDPOINT, body });
}

async function rowsOf(lines: readonly string[], { most = 64, changes = {} } = {}) {
  await store.put(KEY, Buffer.from(lines.join('\n')));
  const object = { bytes: 150_000, filename: 'document.pdf' };
  let asked = 0;
  const files = {
    findMany: (_: string, ids: readonly string[]) => {
      asked++;
      return Promise.resolve(ids.map((id) => ({ sha256: id.replace('copy of ', ''), object }) as never));
    },
  };
  const models = { list: () => Promise.resolve([{ id: 'reader', maxPositions: 32_768 }] as never) };
  const order = new BatchOrder(store, files, models, new BatchInput(store, 100_000), most);
  const key = await order.write(record(changes));
  const rows: OrderedRow[] = [];
  for await (const row of order.rows(key, 0)) rows.push(row);
  return { rows, order, key, asked };
}

const numbers = (rows: readonly OrderedRow[]) =>
  rows.map((row) => ('lines' in row ? row.lines.map(([number]) => number) : `refused ${row.line}`));

describe('the order of a batch', () => {
  it('has lines about one document together, in the order of the first of each', async () => {
    const lines = ['a', undefined, 'b', 'a', 'copy of b', undefined, 'a'].map((id, i) => line(i + 1, id));
    const { rows } = await rowsOf(lines);
    expect(numbers(rows)).toEqual([[1, 4, 7], [2], [3, 5], [6]]);
    const [first] = rows;
    if (!('lines' in first)) throw new Error('refused');
    const [, start, length] = first.lines[1];
    expect(lines.join('\n').slice(start, start + length)).toBe(lines[3]);
    // Two pages by its bytes, the 11 bytes of "Question 4?", and an answer.
    expect(first.tokens?.[1]).toBe(2 * 2_400 + 3 + 256);
    expect(rows.map((row) => 'lines' in row && row.tokens?.length)).toEqual([3, 1, 2, 1]);
  });

  it('can be read by the version before, which knows nothing of tokens', async () => {
    const Earlier = z.object({
      model: z.string(),
      lines: z.array(z.tuple([z.int().min(1), z.int().min(0), z.int().min(1)])).min(1),
    });
    const { key } = await rowsOf([line(1, 'a'), line(2, undefined), line(3, 'a')]);
    const rows = (await text(await store.get(key))).trimEnd().split('\n');
    expect(rows.map((row) => Earlier.parse(JSON.parse(row)).lines.map(([number]) => number))).toEqual([[1, 3], [2]]);
  });

  it('asks for the uploads of many lines together', async () => {
    const lines = Array.from({ length: 1_000 }, (_, i) => line(i + 1, `doc-${i}`));
    const { rows, asked } = await rowsOf(lines);
    expect(rows).toHaveLength(1_000);
    expect(asked).toBe(4);
  });

  it('cuts what is too many for a group, has none of one line, and refuses what cannot be run before all', async () => {
    const lines = [...[1, 2, 3, 4, 5].map((i) => line(i, 'a')), 'no JSON', line(7, 'a', 'unknown')];
    const { rows } = await rowsOf(lines, { most: 2 });
    expect(numbers(rows)).toEqual(['refused 6', 'refused 7', [1, 2], [3, 4], [5]]);
    expect(numbers((await rowsOf(lines, { most: 1 })).rows).slice(2)).toEqual([[1], [2], [3], [4], [5]]);
  });

  it('can be read on from any of its rows, and leaves out lines that were run before it was made', async () => {
    const lines = ['a', 'b', 'a', 'c'].map((id, i) => line(i + 1, id));
    const { rows, order, key } = await rowsOf(lines);
    const later: OrderedRow[] = [];
    for await (const row of order.rows(key, rows[0].next)) later.push(row);
    expect(later).toEqual(rows.slice(1));
    const cursor = { byte: lines[0].length + 1, line: 2 };
    expect(numbers((await rowsOf(lines, { changes: { cursor } })).rows)).toEqual([[2], [3], [4]]);
  });

  it('puts 50,000 lines about 5,000 documents in order, whatever theirs is', async () => {
    const lines = Array.from({ length: 50_000 }, (_, i) => line(i + 1, `doc-${(i * 7_919) % 5_000}`));
    const { rows } = await rowsOf(lines);
    expect(rows).toHaveLength(5_000);
    expect(rows.every((row) => 'lines' in row && row.lines.length === 10)).toBe(true);
  });
});
