import { once } from 'node:events';
import { createServer } from 'node:net';

/** Ports that the kernel gives to nobody by itself: its own begin at 32,768. Each of the workers of a test run has a part of them. */
const [FIRST, PORTS, WORKERS] = [20_000, 10_000, 40];
const SPAN = PORTS / WORKERS;
const START = FIRST + (Number(process.env['VITEST_POOL_ID'] ?? 0) % WORKERS) * SPAN;

let next = Math.floor(Math.random() * SPAN);

/** A port of 127.0.0.1 that nobody listens on now, and that nobody else is given before it is taken. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < SPAN; tries++) {
    const port = START + (next++ % SPAN);
    if (await isFree(port)) return port;
  }
  throw new Error(`all ports from ${START} to ${START + SPAN - 1} are taken`);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}
