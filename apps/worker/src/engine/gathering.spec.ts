import { describe, expect, it } from 'vitest';
import { gather } from './gathering.js';

describe('gather', () => {
  it('lets all go on when the last is ready', async () => {
    const order: string[] = [];
    const [first, second, third] = gather(3);
    const waits = [first, second].map(async (member, i) => {
      await member.ready();
      order.push(`goes ${i}`);
    });
    await new Promise(setImmediate);
    order.push('last');
    await Promise.all([...waits, third.ready()]);
    expect(order).toEqual(['last', 'goes 0', 'goes 1']);
  });

  it('waits for nobody who has left', async () => {
    const [first, second] = gather(2);
    const waits = first.ready();
    second.leave();
    second.leave();
    await waits;
    await first.ready();
    await gather(1)[0].ready();
  });

  it('counts nobody twice', async () => {
    const [first, second] = gather(2);
    let gone = false;
    const waits = first.ready().then(() => (gone = true));
    first.leave();
    await new Promise(setImmediate);
    expect(gone).toBe(false);
    second.leave();
    await waits;
  });
});
