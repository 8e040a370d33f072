import { describe, expect, it } from 'vitest';
import { allOrNone, KvBuffer, KvGrowingBuffer, KvLedger } from './kv.ledger.js';

describe('KvLedger', () => {
  it('counts nothing of buffers that could not all be had', () => {
    const whole = new KvLedger();
    const ledger = new KvLedger(whole);
    const buffer = () => new KvBuffer(1_000, ledger);
    const lost = (): KvBuffer => {
      throw new RangeError('Array buffer allocation failed');
    };
    expect(() => allOrNone<[KvBuffer, KvBuffer]>(buffer, lost)).toThrow('allocation failed');
    expect([ledger.bytes, whole.bytes]).toEqual([0, 0]);
    const [keys, values] = allOrNone<[KvBuffer, KvBuffer]>(buffer, buffer);
    expect([ledger.bytes, keys.bytes, values.bytes]).toEqual([8_000, 4_000, 4_000]);
  });

  it('counts what has grown, not what was to grow', () => {
    const ledger = new KvLedger();
    const buffer = new KvGrowingBuffer(10, ledger);
    buffer.resize(5);
    expect(() => {
      buffer.resize(11);
    }).toThrow(RangeError);
    expect([ledger.bytes, buffer.bytes]).toEqual([20, 20]);
    buffer.resize(0);
    expect(ledger.bytes).toBe(0);
  });
});
