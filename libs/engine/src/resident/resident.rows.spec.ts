import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { KvLedger } from '../kv/kv.ledger.js';
import type { LayerRows, PromptBuffer } from '../kv/kv.memory.js';
import type { PromptBeginning } from '../prompt.beginning.js';
import type { ResidentEntry } from './resident.entry.js';
import { ResidentRows } from './resident.rows.js';

const LAYERS = 3;
const ROW_BYTES = 32;
/** Of one token: its rows of all layers, its id and its position. */
const TOKEN_BYTES = LAYERS * ROW_BYTES + 8;

function prompt(...ids: number[]): PromptBeginning {
  return { axes: 1, inputIds: Int32Array.from(ids), positions: Int32Array.from(ids, (_, at) => at), images: [] };
}

/** `tokens` tokens of a document of its own. */
const document = (number: number, tokens: number) => prompt(...Array.from({ length: tokens }, (_, at) => number + at));

class FakeRows implements LayerRows {
  freed = 0;
  constructor(
    readonly bytes: number,
    private readonly ledger: KvLedger,
  ) {
    ledger.charge(bytes);
  }
  free(): void {
    this.freed++;
    this.ledger.charge(-this.bytes);
  }
}

/** A buffer of which only copies are made. `fail`: thrown by the copy of that layer. */
function buffer(copies: FakeRows[] = [], fail?: { readonly at: number; readonly error: Error }): PromptBuffer {
  return {
    copyRows: (rows: number, ledger: KvLedger) => {
      if (fail?.at === copies.length) throw fail.error;
      const copy = new FakeRows(rows * ROW_BYTES, ledger);
      copies.push(copy);
      return copy;
    },
  } as unknown as PromptBuffer;
}

function store(tokens: number, onDocuments?: (keys: readonly string[]) => void): ResidentRows {
  const settings = { limitBytes: tokens * TOKEN_BYTES, leastTokens: 2 };
  return new ResidentRows(LAYERS, ROW_BYTES, onDocuments === undefined ? settings : { ...settings, onDocuments });
}

/** Keeps a document. @returns its entry, or undefined where it is not kept */
function keep(
  residents: ResidentRows,
  given: PromptBeginning,
  keys: readonly string[] = [],
  ends: 'document' | 'prompt' = 'document',
): ResidentEntry | undefined {
  const tokens = given.inputIds.length;
  const draft = residents.begin(given, { tokens, ends });
  if (draft === undefined) return undefined;
  for (let layer = 0; layer < LAYERS; layer++) draft.take(buffer());
  draft.complete(keys);
  return residents.longest(given)?.entry;
}

const known = (residents: ResidentRows, given: PromptBeginning) => residents.longest(given)?.tokens ?? 0;

describe('ResidentRows', () => {
  it('finds the longest beginning that a prompt has in common with what it holds', () => {
    const residents = store(100);
    keep(residents, document(100, 10));
    keep(residents, document(200, 10));
    expect(known(residents, prompt(200, 201, 202, 7))).toBe(3);
    expect(known(residents, document(100, 40))).toBe(10);
    expect(known(residents, prompt(7))).toBe(0);
    expect(residents.bytes).toBe(20 * TOKEN_BYTES);
  });

  it('frees what was used longest ago, and no more than it must', () => {
    const residents = store(30);
    const first = keep(residents, document(100, 10), ['1']);
    keep(residents, document(200, 10));
    keep(residents, document(300, 10));
    if (first !== undefined) residents.use(first, []);
    keep(residents, document(400, 10));
    expect([100, 200, 300, 400].map((number) => known(residents, document(number, 10)))).toEqual([10, 0, 10, 10]);
    expect(residents.bytes).toBe(30 * TOKEN_BYTES);
  });

  it('shows nothing before all layers are there, and leaves nothing of what is dropped', () => {
    const residents = store(100);
    const copies: FakeRows[] = [];
    const draft = residents.begin(document(100, 10), { tokens: 8, ends: 'document' });
    draft?.take(buffer(copies));
    expect(known(residents, document(100, 10))).toBe(0);
    expect(residents.bytes).toBe(8 * (ROW_BYTES + 8));
    draft?.drop();
    draft?.drop();
    expect(residents.bytes).toBe(0);
    expect(copies.map(({ freed }) => freed)).toEqual([1]);
    expect(residents.empty).toBe(true);
    expect(keep(residents, document(100, 10))?.tokens).toBe(10);
  });

  it('goes on without a document for which the machine has no memory, and with what else is wrong', () => {
    const residents = store(100);
    const tooMuch = residents.begin(document(100, 10), { tokens: 10, ends: 'document' });
    const copies: FakeRows[] = [];
    const scarce = buffer(copies, { at: 1, error: new RangeError('Array buffer allocation failed') });
    for (let layer = 0; layer < LAYERS; layer++) tooMuch?.take(scarce);
    tooMuch?.complete(['1']);
    expect(residents.bytes).toBe(0);
    expect(residents.empty).toBe(true);
    const broken = residents.begin(document(100, 10), { tokens: 10, ends: 'document' });
    expect(() => broken?.take(buffer([], { at: 0, error: new Error('planted') }))).toThrow('planted');
    expect(residents.bytes).toBe(0);
  });

  it('does not keep what is short, too long, or there already', () => {
    const residents = store(20);
    expect(keep(residents, document(100, 1))).toBeUndefined();
    expect(keep(residents, document(100, 21))).toBeUndefined();
    expect(residents.exceedsLimit(document(100, 21), 21)).toBe(true);
    expect(residents.exceedsLimit(document(100, 20), 20)).toBe(false);
    keep(residents, document(100, 10));
    expect(keep(residents, document(100, 8))).toBeUndefined();
    expect(keep(residents, document(100, 11))).toBeUndefined();
    expect(residents.bytes).toBe(10 * TOKEN_BYTES);
  });

  it('replaces the beginning of what it keeps, which then belongs to the documents of both', () => {
    const told: (readonly string[])[] = [];
    const residents = store(40, (keys) => told.push(keys));
    keep(residents, document(100, 10), ['a']);
    keep(residents, document(100, 15), ['b']);
    expect(residents.bytes).toBe(15 * TOKEN_BYTES);
    expect(told).toEqual([['a'], ['a', 'b']]);
  });

  it('keeps no second copy of a document for a question in the same text', () => {
    const residents = store(200);
    keep(residents, prompt(...document(100, 20).inputIds, 1, 2, 3), [], 'prompt');
    expect(keep(residents, prompt(...document(100, 20).inputIds, 4, 5, 6), [], 'prompt')).toBeUndefined();
    expect(keep(residents, prompt(100, 101, 4, 5, 6, 7, 8), [], 'prompt')?.tokens).toBe(7);
  });

  it('never frees what is read, and does without a document that has no room beside it', () => {
    const residents = store(25);
    const read = keep(residents, document(100, 10));
    const release = read?.hold();
    const second = read?.hold();
    release?.();
    release?.();
    keep(residents, document(200, 10));
    expect(keep(residents, document(300, 12))?.tokens).toBe(12);
    expect([100, 200].map((number) => known(residents, document(number, 10)))).toEqual([10, 0]);
    // Room for it is there only where both of the others stand.
    expect(keep(residents, document(400, 16))).toBeUndefined();
    expect(known(residents, document(300, 12))).toBe(12);
    expect(() => {
      read?.free();
    }).toThrow();
    second?.();
    expect(keep(residents, document(400, 16))?.tokens).toBe(16);
  });

  it('tells which documents are resident when that changes, the latest eight of one entry', () => {
    const told: (readonly string[])[] = [];
    const residents = store(20, (keys) => told.push(keys));
    const entry = keep(residents, document(100, 10), ['a']);
    if (entry === undefined) throw new Error('nothing was kept');
    residents.use(entry, ['a']);
    residents.use(entry, []);
    expect(told).toEqual([['a']]);
    const eight = ['b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'];
    for (const key of eight) residents.use(entry, [key]);
    expect(told.at(-1)).toEqual(eight);
    keep(residents, document(200, 10), ['z']);
    expect(told.at(-1)).toEqual([...eight, 'z']);
    keep(residents, document(300, 20));
    expect(told.slice(-2)).toEqual([['z'], []]);
    residents.close();
    expect(residents.bytes).toBe(0);
    expect(told.at(-1)).toEqual([]);
  });

  it('never takes more than its limit, whatever is kept, used, dropped and held', () => {
    const step = fc.record({
      number: fc.integer({ min: 1, max: 6 }),
      tokens: fc.integer({ min: 1, max: 14 }),
      what: fc.constantFrom('keep', 'drop', 'use', 'hold', 'release'),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const residents = store(20);
        const held: (() => void)[] = [];
        for (const { number, tokens, what } of steps) {
          const given = document(number * 100, tokens);
          const found = residents.longest(given);
          if (what === 'keep') keep(residents, given);
          else if (what === 'use' && found !== undefined) residents.use(found.entry, [`${number}`]);
          else if (what === 'hold' && found !== undefined) held.push(found.entry.hold());
          else if (what === 'release') held.pop()?.();
          else if (what === 'drop') {
            const draft = residents.begin(given, { tokens, ends: 'document' });
            draft?.take(buffer());
            draft?.drop();
          }
          expect(residents.bytes).toBeGreaterThanOrEqual(0);
        }
        expect(residents.ledger.peakBytes).toBeLessThanOrEqual(20 * TOKEN_BYTES);
        for (const release of held) release();
        residents.close();
        expect(residents.bytes).toBe(0);
      }),
    );
  });
});
