import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { AddressError, PortTakenError } from './launch.errors.js';

/** So many ports of this machine, no two alike, that nobody listens on now. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
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
