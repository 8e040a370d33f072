import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { expect, it } from 'vitest';
import { PortTakenError } from './launch.errors.js';
import { freePorts, requireFree } from './ports.js';

it('refuses a port that somebody listens on', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await expect(requireFree(port, '127.0.0.1')).rejects.toThrow(new PortTakenError(port));
  server.close();
});

it('finds ports that nobody listens on, no two alike', async () => {
  const ports = await freePorts(20);
  expect(new Set(ports).size).toBe(20);
  for (const port of ports) await requireFree(port, '127.0.0.1');
});
