/**
 * A process of its own that outlives a killed `up`. It is told of every child over its standard input; when that ends
 * without the children having ended, which only the death of its parent does, it ends them in order.
 */
import { createInterface } from 'node:readline';
import { GuardMessageSchema, type GuardMessage } from './guard.messages.js';
import { endInOrder, type EndingProcess } from './orderly.end.js';

const children = new Map<number, EndingProcess>();

function heed(message: GuardMessage): void {
  if (message.kind === 'started') children.set(message.process.pid, message.process);
  else children.delete(message.pid);
}

// Signals that a terminal sends to all of its processes are its parent's business.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);

for await (const line of createInterface({ input: process.stdin })) {
  heed(GuardMessageSchema.parse(JSON.parse(line)));
}
await endInOrder([...children.values()]);
