import { describe, expect, it } from 'vitest';
import { decodePositions, encodePositions } from './cache.trace.js';

describe('kept positions', () => {
  it('survive encoding', () => {
    const positions = Int32Array.of(0, 7, 8, 63, 64, 99);
    expect(decodePositions(encodePositions(positions, 100))).toEqual(positions);
  });

  it('take one bit a token', () => {
    expect(Buffer.from(encodePositions(new Int32Array(0), 800), 'base64')).toHaveLength(100);
  });
});
