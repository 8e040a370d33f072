import { once } from 'node:events';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { readableWithErrors } from './source.errors.js';

const told = (error: unknown) => new Error(`told: ${(error as Error).message}`);

describe('readableWithErrors', () => {
  it('ends its source where nobody has begun to read, and where somebody has', async () => {
    for (const reads of [false, true]) {
      const source = Readable.from(['a', 'b', 'c']);
      const bytes = readableWithErrors(source, told);
      if (reads) await once(bytes, 'readable');
      bytes.destroy();
      await once(bytes, 'close');
      expect(source.destroyed).toBe(true);
    }
  });

  it('gives all there is, and the errors of its source in other words, whenever they come', async () => {
    expect(await text(readableWithErrors(Readable.from(['a', 'b']), told))).toBe('ab');
    const early = new Readable({ read: () => undefined });
    const bytes = readableWithErrors(early, told);
    const closed = new Promise((resolve) => early.once('close', resolve));
    early.destroy(new Error('it broke'));
    await closed;
    await expect(text(bytes)).rejects.toThrow('told: it broke');
  });
});
