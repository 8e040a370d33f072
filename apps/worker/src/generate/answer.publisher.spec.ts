import type { AnswerEvent } from '@madakv/contracts';
import { describe, expect, it } from 'vitest';
import { AnswerPublisher } from './answer.publisher.js';

function recorder(fail: (event: AnswerEvent) => boolean = () => false) {
  const events: AnswerEvent[] = [];
  return {
    events,
    append: async (_: string, event: AnswerEvent): Promise<void> => {
      await new Promise(setImmediate);
      if (fail(event)) throw new Error('away');
      events.push(event);
    },
  };
}

describe('AnswerPublisher', () => {
  it('keeps the order, and tells of the prefill now and then and at its end', async () => {
    const writer = recorder();
    const publisher = new AnswerPublisher(writer, 'r');
    for (let done = 1; done <= 100; done++) publisher.publish({ kind: 'prefill', done, total: 100 });
    publisher.publish({ kind: 'evicted', atMs: 0, bytes: 1, maxBytes: 1 });
    for (let index = 0; index < 3; index++) publisher.publish({ kind: 'token', index, text: `t${index}` });
    await publisher.flush();
    expect(writer.events).toEqual([
      { kind: 'prefill', done: 1, total: 100 },
      { kind: 'prefill', done: 100, total: 100 },
      { kind: 'token', index: 0, text: 't0' },
      { kind: 'token', index: 1, text: 't1' },
      { kind: 'token', index: 2, text: 't2' },
    ]);
  });

  it('says at the end that an event could not be written', async () => {
    const publisher = new AnswerPublisher(
      recorder((event) => event.kind === 'token' && event.index === 1),
      'r',
    );
    for (let index = 0; index < 3; index++) publisher.publish({ kind: 'token', index, text: '' });
    await expect(publisher.flush()).rejects.toThrow('away');
  });
});
