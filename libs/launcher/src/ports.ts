import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { AddressError, PortTakenError } from './launch.errors.js';

/** A port of this machine that nobody listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** @throws PortTakenError, or AddressError when the address cannot be listened on for another reason */
export async function requireFree(port: number, host: string): Promise<void> {
  const server = createServer().listen(port, host);
  try {
    await once(server, 'listening');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE') throw new PortTakenError(port, { cause: error });
    throw new AddressError(`cannot listen on ${host}, port ${port}: ${message}`, { cause: error });
  }
  await new Promise((resolve) => server.close(resolve));
}
