import type { PreparedPrompt, Segment } from '@madakv/models';
import { describe, expect, it } from 'vitest';
import { choosePrefill } from './prefill.choice.js';
import type { GenerationRequest } from './generation.js';
import type { KvLedger } from './kv/kv.ledger.js';
import type { PromptBuffer } from './kv/kv.memory.js';
import { beginningOf } from './prompt.beginning.js';
import { ResidentRows } from './resident/resident.rows.js';
import type { PromptImage } from './vision.encoder.js';

/** A document of `tokens` tokens, and behind it a question that only its number has; the whole of it may be watched. */
function asking(document: number, tokens: number, question: number, { own = 10, watchesAll = false } = {}) {
  const ids = [
    ...Array.from({ length: tokens }, (_, at) => document + at),
    ...Array.from({ length: own }, (_, at) => -1 - question * 1_000 - at),
  ];
  const segments: Segment[] = [{ start: 0, end: ids.length, modality: 'text' }];
  const prompt: PreparedPrompt<PromptImage> = {
    text: '',
    inputIds: Int32Array.from(ids),
    textBytesPerToken: 1,
    images: [],
    segments,
    question: { start: tokens, end: ids.length },
    axes: 1,
    positions: Int32Array.from(ids, (_, at) => at),
    nextPosition: ids.length,
  };
  return {
    prompt: beginningOf(prompt),
    unobservedTokens: watchesAll ? 0 : tokens,
    request: { prompt } as unknown as GenerationRequest,
  };
}

const buffer = {
  copyRows: (_: number, ledger: KvLedger) => {
    ledger.charge(0);
    return { bytes: 0, free: () => undefined };
  },
} as unknown as PromptBuffer;

/** Rows of what was asked before. */
function residents(before: readonly ReturnType<typeof asking>[] = [], limitBytes = 1e9): ResidentRows {
  const rows = new ResidentRows(1, 8, { limitBytes, leastTokens: 20 });
  for (const { prompt, request } of before) {
    const draft = rows.begin(prompt, { tokens: request.prompt.question.start, ends: 'document' });
    draft?.take(buffer);
    draft?.complete([]);
  }
  return rows;
}

describe('choosePrefill', () => {
  it('begins with resident rows, and takes those along that begin with them too', () => {
    const first = asking(100, 200, 1);
    const others = [asking(100, 200, 2), asking(500, 200, 3), asking(100, 200, 4)];
    const choice = choosePrefill(first, others, 8, residents([asking(100, 200, 9)]));
    expect(choice.jobs).toEqual([first, others[0], others[2]]);
    expect(choice).toMatchObject({ shared: 200, resident: { tokens: 200 } });
    const alone = choosePrefill(first, [], 8, residents([asking(100, 200, 9)]));
    expect(alone).toMatchObject({ jobs: [first], shared: 0, resident: { tokens: 200 } });
  });

  it('leaves those that watch the resident rows to their own turn', () => {
    const watching = asking(100, 200, 2, { watchesAll: true });
    const rows = residents([asking(100, 200, 9)]);
    const choice = choosePrefill(asking(100, 200, 1), [watching, asking(100, 200, 3)], 8, rows);
    expect(choice.jobs).toHaveLength(2);
    expect(choice.jobs).not.toContain(watching);
    const own = choosePrefill(watching, [], 8, rows);
    expect(own).toMatchObject({ resident: undefined, alone: { reason: 'observes_all', alikeTokens: 200 } });
  });

  it('does not give up many resident rows for one that begins with few of them', () => {
    const rows = residents([asking(100, 200, 9)]);
    const short = asking(100, 30, 2);
    const choice = choosePrefill(asking(100, 200, 1), [short], 8, rows);
    expect(choice).toMatchObject({ shared: 0, resident: { tokens: 200 } });
    expect(choice.jobs).toHaveLength(1);
    // Some tokens less for all are well spent.
    const nearly = choosePrefill(asking(100, 200, 1), [asking(100, 195, 2)], 8, rows);
    expect(nearly).toMatchObject({ shared: 195, resident: { tokens: 195 } });
    expect(nearly.jobs).toHaveLength(2);
  });

  it('reads a document once for all that wait rather than use the little of it that is resident', () => {
    const rows = residents([asking(100, 30, 9)]);
    const watching = asking(100, 200, 2, { watchesAll: true });
    const choice = choosePrefill(asking(100, 200, 1), [watching], 8, rows);
    expect(choice).toMatchObject({ shared: 200, resident: undefined });
    expect(choosePrefill(asking(100, 200, 1), [asking(100, 200, 2)], 8, rows)).toMatchObject({
      shared: 200,
      resident: undefined,
    });
    expect(choosePrefill(asking(100, 200, 1), [], 8, rows)).toMatchObject({ resident: { tokens: 30 } });
  });

  it.each([
    ['nobody waits and nothing is resident', [], residents(), 'nothing_waited', 0],
    ['nobody waits and rows are not kept', [], undefined, 'off', 0],
    ['another begins differently', [asking(500, 200, 2)], undefined, 'nothing_alike', 0],
    ['too little of another is alike', [asking(100, 50, 2, { own: 90 })], undefined, 'nothing_alike', 50],
    ['what is resident begins differently', [], residents([asking(110, 200, 9)]), 'nothing_alike', 0],
    [
      'too little of what is resident is alike',
      [],
      residents([asking(100, 19, 9), asking(500, 90, 9)]),
      'nothing_alike',
      0,
    ],
    ['its document is too large', [], residents([], 200 * 16 - 1), 'too_large', 0],
    ['it is too large, and another is resident', [], residents([asking(500, 90, 9)], 200 * 16 - 1), 'too_large', 0],
  ] as const)('says why nothing is shared: %s', (_, waiting, rows, reason, alikeTokens) => {
    const choice = choosePrefill(asking(100, 200, 1), waiting, 8, rows);
    expect(choice.alone).toEqual({ reason, alikeTokens });
    expect(choice.jobs).toHaveLength(1);
  });

  it('says that a prompt is too short to be kept', () => {
    expect(choosePrefill(asking(100, 5, 1), [], 8, residents()).alone).toEqual({ reason: 'short', alikeTokens: 0 });
  });
});
