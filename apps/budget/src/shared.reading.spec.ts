import { expect, it } from 'vitest';
import { SharedReading } from './shared.reading.js';

/** Readings that end when they are told to. */
class Readings {
  readonly open: { resolve: (value: number) => void; reject: (error: Error) => void }[] = [];
  begun = 0;

  readonly read = (): Promise<number> => {
    this.begun++;
    return new Promise((resolve, reject) => this.open.push({ resolve, reject }));
  };
}

it('has one reading under way, and one after it for all who asked meanwhile', async () => {
  const readings = new Readings();
  const shared = new SharedReading(readings.read);
  const first = shared.get();
  const later = Array.from({ length: 1_000 }, () => shared.get());
  expect(readings.begun).toBe(1);
  readings.open[0].resolve(1);
  expect(await first).toBe(1);
  await expect.poll(() => readings.begun).toBe(2);
  readings.open[1].resolve(2);
  expect(new Set(await Promise.all(later))).toEqual(new Set([2]));
  expect(readings.begun).toBe(2);
  void shared.get();
  expect(readings.begun).toBe(3);
});

it('fails for those who waited for it, and for nobody after', async () => {
  const readings = new Readings();
  const shared = new SharedReading(readings.read);
  const first = shared.get();
  const second = shared.get();
  readings.open[0].reject(new Error('away'));
  await expect(first).rejects.toThrow('away');
  await expect.poll(() => readings.begun).toBe(2);
  readings.open[1].resolve(2);
  expect(await second).toBe(2);
});
