import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, it } from 'vitest';
import type { FetchPolicy } from './fetch.policy.js';
import { sendMessage } from './resource.sender.js';

/** Where the tests' servers stand, which the policy allows; any other loopback address is as private as it is. */
const HOME = '127.0.0.6';
const MESSAGE = { headers: { 'content-type': 'application/json', 'x-signature': 's' }, body: '{"a":"é"}' };

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

async function serve(listener: RequestListener): Promise<{ port: number; policy: Partial<FetchPolicy> }> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, HOME, resolve));
  const { port } = server.address() as AddressInfo;
  const policy = {
    allowHttp: true,
    allowedPorts: [port],
    isAllowedAddress: (address: string) => address === HOME,
    resolve: () => Promise.resolve([HOME]),
  };
  return { port, policy };
}

describe('sendMessage', () => {
  it('posts to the address that was checked, and says what was answered', async () => {
    const seen: unknown[] = [];
    const { port, policy } = await serve((request, response) => {
      void text(request).then((body) => {
        const { host, 'x-signature': signature } = request.headers;
        seen.push({ method: request.method, url: request.url, host, signature, body });
        response.writeHead(202).end('ok');
      });
    });
    expect(await sendMessage(`http://hooks.test:${port}/a?b=c`, MESSAGE, policy)).toBe(202);
    const { body } = MESSAGE;
    expect(seen).toEqual([{ method: 'POST', url: '/a?b=c', host: `hooks.test:${port}`, signature: 's', body }]);
  });

  it('follows no redirect, and reads no more of an endless answer than a limit', async () => {
    let sent = 0;
    const { port, policy } = await serve((request, response) => {
      request.resume();
      response.writeHead(302, { location: `http://${HOME}:1/` });
      const piece = Buffer.alloc(16 * 1024);
      const more = (): void => {
        while (!response.destroyed) {
          sent += piece.length;
          if (!response.write(piece)) break;
        }
      };
      response.on('drain', more);
      more();
    });
    expect(await sendMessage(`http://hooks.test:${port}/`, MESSAGE, policy)).toBe(302);
    // What lies in the sockets' buffers comes on top of what is read.
    expect(sent).toBeLessThan(64 * 1024 ** 2);
  });

  it.each([
    ['http://inner.test:PORT/', { resolve: () => Promise.resolve(['10.0.0.1']) }, 'url_address_not_allowed'],
    ['http://both.test:PORT/', { resolve: () => Promise.resolve([HOME, '10.0.0.1']) }, 'url_address_not_allowed'],
    ['http://127.0.0.1:PORT/', {}, 'url_address_not_allowed'],
    ['http://hooks.test:1/', {}, 'url_port_not_allowed'],
    ['http://hooks.test:PORT/', { allowHttp: false }, 'url_scheme_not_allowed'],
    ['http://user:secret@hooks.test:PORT/', {}, 'bad_url'],
  ])('sends nothing to %s with %o', async (url, overrides, code) => {
    const calls: unknown[] = [];
    const { port, policy } = await serve((request, response) => {
      calls.push(request.url);
      response.end();
    });
    const sent = sendMessage(url.replace('PORT', String(port)), MESSAGE, { ...policy, ...overrides });
    await expect(sent).rejects.toMatchObject({ code });
    expect(calls).toEqual([]);
  });

  it('gives up a receiver that does not answer, and stops when it is told to', async () => {
    const { port, policy } = await serve(() => undefined);
    const url = `http://hooks.test:${port}/`;
    const late = sendMessage(url, MESSAGE, { ...policy, totalTimeoutMs: 50 });
    await expect(late).rejects.toThrow('sending took longer than 50 ms');
    const stop = new AbortController();
    const stopped = sendMessage(url, MESSAGE, policy, stop.signal);
    stop.abort(new Error('the worker is stopping'));
    await expect(stopped).rejects.toThrow('the worker is stopping');
  });
});
