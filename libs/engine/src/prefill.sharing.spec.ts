import { describe, expect, it } from 'vitest';
import { sharingOf } from './prefill.sharing.js';
import { ResidentEntry } from './resident/resident.entry.js';
import { KvLedger } from './kv/kv.ledger.js';

const alone = { reason: 'off', alikeTokens: 7 } as const;
const empty = { axes: 1, inputIds: new Int32Array(0), positions: new Int32Array(0), images: [] } as const;
const resident = { entry: new ResidentEntry(empty, [], new KvLedger()), tokens: 50 };
const chosen = (jobs: number, rows?: typeof resident) => ({
  jobs: Array.from({ length: jobs }),
  resident: rows,
  alone,
});

describe('sharingOf', () => {
  it('says why one by itself shares nothing', () => {
    const read = { requests: 1, branches: 1, shared: 0 };
    const none = { requests: 1, sharedTokens: 0, cachedTokens: 0, residentTokens: 0 };
    const place = { tokens: 100, branch: 0, place: 0 };
    expect(sharingOf(chosen(1), read, place)).toEqual({ ...none, ...alone });
    // The others of its group ended before it began.
    expect(sharingOf(chosen(3), read, place)).toEqual({ ...none, reason: 'nothing_waited', alikeTokens: 0 });
    expect(sharingOf(chosen(1, resident), read, place)).toEqual({
      ...none,
      cachedTokens: 50,
      residentTokens: 50,
      reason: 'resident',
      alikeTokens: 50,
    });
  });

  it('counts what each of a group did not compute', () => {
    const read = { requests: 3, branches: 2, shared: 60 };
    const cached = (rows: typeof resident | undefined) =>
      [
        { tokens: 100, branch: 0, place: 0 },
        { tokens: 100, branch: 0, place: 1 },
        { tokens: 90, branch: 1, place: 0 },
      ].map((place) => {
        const { cachedTokens, reason, sharedTokens } = sharingOf(chosen(3, rows), read, place);
        return [cachedTokens, sharedTokens, reason];
      });
    expect(cached(undefined)).toEqual([
      [0, 60, 'shared'],
      [99, 60, 'shared'],
      [60, 60, 'shared'],
    ]);
    expect(cached(resident)).toEqual([
      [50, 60, 'resident'],
      [99, 60, 'resident'],
      [60, 60, 'resident'],
    ]);
  });

  it('counts all but the last token as shared where all ask the very same', () => {
    const sharing = sharingOf(chosen(2), { requests: 2, branches: 1, shared: 0 }, { tokens: 100, branch: 0, place: 1 });
    expect(sharing).toMatchObject({ sharedTokens: 99, cachedTokens: 99, reason: 'shared', alikeTokens: 99 });
  });
});
