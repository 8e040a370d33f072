import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createServer as createTcpServer, type AddressInfo, type Server as TcpServer } from 'node:net';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { selfSigned } from '../testing/test.certificate.js';
import { plainPdf } from '../testing/pdf.samples.js';
import { isPublicAddress } from './address.rules.js';
import type { FetchPolicy } from './fetch.policy.js';
import { fetchResource } from './resource.fetcher.js';

/** Where the tests' servers stand, which the policy allows; any other loopback address is as private as it is. */
const HOME = '127.0.0.5';
const PDF = plainPdf();

const servers: (Server | TcpServer)[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    if ('closeAllConnections' in server) server.closeAllConnections();
    server.close();
  }
});

async function listen(server: Server | TcpServer, address = HOME): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, address, resolve));
  return (server.address() as AddressInfo).port;
}

/** A server called docs.test and a policy that lets it be reached, as one could a public one. */
async function serve(listener: RequestListener): Promise<{ url: string; policy: Partial<FetchPolicy>; port: number }> {
  const port = await listen(createServer(listener));
  const policy: Partial<FetchPolicy> = {
    allowHttp: true,
    allowedPorts: [port, 80],
    isAllowedAddress: (address) => address === HOME || isPublicAddress(address),
    resolve: () => Promise.resolve([HOME]),
    connectTimeoutMs: 2000,
    idleTimeoutMs: 2000,
    totalTimeoutMs: 5000,
  };
  return { url: `http://docs.test:${port}`, policy, port };
}

const pdf: RequestListener = (_, response) => response.setHeader('content-type', 'application/pdf').end(PDF);

function redirect(location: string, status = 302): RequestListener {
  return (_, response) => response.writeHead(status, { location }).end();
}

describe('fetchResource', () => {
  it('fetches a document, asking for it by name and without compression', async () => {
    const seen = vi.fn<RequestListener>(pdf);
    const { url, policy, port } = await serve(seen);
    const fetched = await fetchResource(`${url}/a/b.pdf?x=1#part`, policy);
    expect(fetched).toEqual({ url: `${url}/a/b.pdf?x=1#part`, mediaType: 'application/pdf', bytes: PDF });
    const [request] = seen.mock.calls[0];
    expect(request.url).toBe('/a/b.pdf?x=1');
    expect(request.headers).toEqual({
      host: `docs.test:${port}`,
      connection: 'keep-alive',
      accept: 'application/pdf, image/png, image/jpeg, image/webp, image/gif, image/tiff',
      'accept-encoding': 'identity',
      'user-agent': 'madakv',
    });
  });

  it('fetches over TLS: the name is sent and verified, though the connection is pinned', async () => {
    const { key, cert } = selfSigned('docs.test');
    const names: string[] = [];
    const server = createTlsServer({ key, cert }, (request, response) => {
      names.push((request.socket as unknown as { servername: string }).servername);
      response.end(PDF);
    });
    const port = await listen(server);
    const policy: Partial<FetchPolicy> = {
      allowedPorts: [port],
      isAllowedAddress: (address) => address === HOME,
      resolve: () => Promise.resolve([HOME]),
      certificateAuthorities: [cert],
    };
    expect((await fetchResource(`https://docs.test:${port}/`, policy)).bytes).toEqual(PDF);
    expect(names).toEqual(['docs.test']);
    // The same server under a name that its certificate does not have, and one that nobody vouches for.
    await expect(fetchResource(`https://other.test:${port}/`, policy)).rejects.toThrow(/ERR_TLS_CERT_ALTNAME_INVALID/);
    const untrusting = { ...policy, certificateAuthorities: undefined };
    await expect(fetchResource(`https://docs.test:${port}/`, untrusting)).rejects.toThrow(
      /DEPTH_ZERO_SELF_SIGNED_CERT/,
    );
  });

  it('takes no proxy from the environment', async () => {
    vi.stubEnv('HTTP_PROXY', 'http://127.0.0.1:9').stubEnv('http_proxy', 'http://127.0.0.1:9');
    const { url, policy } = await serve(pdf);
    expect((await fetchResource(url, policy)).mediaType).toBe('application/pdf');
    vi.unstubAllEnvs();
  });

  it('follows redirects, relative ones too, to the place that has it', async () => {
    const { url, policy } = await serve((request, response) => {
      if (request.url === '/start') redirect('/next?page=2', 301)(request, response);
      else if (request.url === '/next?page=2') redirect(`http://docs.test:${port}/end`, 307)(request, response);
      else pdf(request, response);
    });
    const port = new URL(url).port;
    expect((await fetchResource(`${url}/start`, policy)).url).toBe(`${url}/end`);
  });

  it.each([
    ['gzip', gzipSync(PDF)],
    ['deflate', deflateSync(PDF)],
    ['br', brotliCompressSync(PDF)],
  ])('reads %s from a server that compresses unasked', async (encoding, content) => {
    const { url, policy } = await serve((_, response) => response.setHeader('content-encoding', encoding).end(content));
    expect((await fetchResource(url, policy)).bytes).toEqual(PDF);
  });
});

describe('addresses', () => {
  it.each([
    '127.0.0.1',
    '169.254.169.254',
    '[::1]',
    '2130706433',
    '0177.0.0.1',
    '0x7f000001',
    '127.1',
    '10.0.0.1',
    '[::ffff:127.0.0.1]',
    '[64:ff9b::7f00:1]',
    '[fd00:ec2::254]',
    '0',
    '100.64.0.1',
    '[fe80::1]',
  ])('refuses %s, asked for and redirected to', async (host) => {
    const { url, policy, port } = await serve((request, response) => {
      redirect(`http://${host}:${port}/`)(request, response);
    });
    const expected = {
      code: 'url_address_not_allowed',
      retryable: false,
      message: expect.stringMatching(/not on the public internet/) as string,
    };
    await expect(fetchResource(`http://${host}:${port}/`, policy)).rejects.toMatchObject(expected);
    await expect(fetchResource(url, policy)).rejects.toMatchObject(expected);
  });

  it('refuses a name with one address that is not public, without naming it', async () => {
    const { url, policy } = await serve(pdf);
    const resolve = () => Promise.resolve([HOME, '192.168.7.7']);
    const refused = fetchResource(url, { ...policy, resolve });
    await expect(refused).rejects.toThrow('the host docs.test is not on the public internet');
  });

  it('connects to the address that was checked, whatever the name means a moment later', async () => {
    const trap = vi.fn<RequestListener>(pdf);
    const { url, policy, port } = await serve(redirect('/again'));
    const server = createServer(trap);
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.6', resolve));
    const resolve = vi.fn<FetchPolicy['resolve']>().mockResolvedValue(['127.0.0.6']).mockResolvedValueOnce([HOME]);
    // The first connection goes home; the redirect asks again, and what it gets is checked again.
    await expect(fetchResource(url, { ...policy, resolve })).rejects.toMatchObject({ code: 'url_address_not_allowed' });
    expect(resolve).toHaveBeenCalledTimes(2);
    expect(trap).not.toHaveBeenCalled();
  });

  it('asks for a name once a connection', async () => {
    const { url, policy } = await serve(pdf);
    const resolve = vi.fn<FetchPolicy['resolve']>().mockResolvedValue([HOME]);
    await fetchResource(url, { ...policy, resolve });
    expect(resolve).toHaveBeenCalledTimes(1);
  });

  it('resolves by the system unless told otherwise: localhost is loopback, and refused', async () => {
    await expect(fetchResource('https://localhost/')).rejects.toMatchObject({ code: 'url_address_not_allowed' });
  });

  it('tells a name that is not there from one that could not be asked for', async () => {
    const { url, policy } = await serve(pdf);
    const failing = (code: string) => ({
      ...policy,
      resolve: () => Promise.reject(Object.assign(new Error(code), { code })),
    });
    const code = 'url_not_resolved';
    await expect(fetchResource(url, failing('ENOTFOUND'))).rejects.toMatchObject({ code, retryable: false });
    await expect(fetchResource(url, failing('EAI_AGAIN'))).rejects.toMatchObject({ code, retryable: true });
    await expect(fetchResource(url, { ...policy, resolve: () => Promise.resolve([]) })).rejects.toMatchObject({ code });
  });
});

describe('URLs', () => {
  const allowed = { allowHttp: true, allowedPorts: [80, 443] };
  it.each([
    ['not a url', {}, 'bad_url', /the URL cannot be read/],
    [`https://docs.test/${'x'.repeat(8200)}`, {}, 'bad_url', /the limit is 8192/],
    ['https://user:pw@docs.test/', {}, 'bad_url', /carries a user name or password/],
    ['http://docs.test/', {}, 'url_scheme_not_allowed', /scheme http:; allowed: https:$/],
    ['file:///etc/passwd', allowed, 'url_scheme_not_allowed', /file:; allowed: https: and http:/],
    ['gopher://docs.test/', allowed, 'url_scheme_not_allowed', /gopher:/],
    ['https://docs.test:22/', {}, 'url_port_not_allowed', /port 22; allowed: 443/],
    ['http://docs.test:6379/', allowed, 'url_port_not_allowed', /port 6379; allowed: 80, 443/],
  ] as const)('refuses %s', async (url, policy, code, message) => {
    const resolve = vi.fn<FetchPolicy['resolve']>();
    await expect(fetchResource(url, { ...policy, resolve })).rejects.toMatchObject({ code });
    await expect(fetchResource(url, { ...policy, resolve })).rejects.toThrow(message);
    expect(resolve).not.toHaveBeenCalled();
  });

  it.each([
    ['ftp://docs.test/', 'url_scheme_not_allowed'],
    ['http://docs.test:22/', 'url_port_not_allowed'],
    ['http://me@docs.test/', 'bad_url'],
    ['http://[', 'bad_url'],
  ])('refuses a redirect to %s', async (location, code) => {
    const { url, policy } = await serve(redirect(location));
    await expect(fetchResource(url, policy)).rejects.toMatchObject({ code });
    await expect(fetchResource(url, policy)).rejects.toThrow(/^the redirect from docs.test:/);
  });

  it('follows so many redirects and no more', async () => {
    let asked = 0;
    const { url, policy } = await serve((request, response) => {
      asked++;
      redirect('/')(request, response);
    });
    await expect(fetchResource(url, policy)).rejects.toMatchObject({ code: 'url_too_many_redirects' });
    expect(asked).toBe(4);
  });
});

describe('answers', () => {
  it.each([
    [404, false],
    [403, false],
    [429, true],
    [503, true],
    [204, false],
  ])('passes on status %i', async (status, retryable) => {
    const { url, policy } = await serve((_, response) => response.writeHead(status).end());
    const message = `${new URL(url).host} answered with status ${status}`;
    await expect(fetchResource(url, policy)).rejects.toMatchObject({ code: 'url_status', retryable, message });
  });

  it('refuses other types by the header, before the body, and by the content', async () => {
    const page = await serve((_, response) =>
      response.setHeader('content-type', 'text/html; charset=utf-8').write('<'),
    );
    await expect(fetchResource(page.url, page.policy)).rejects.toMatchObject({ code: 'unsupported_media_type' });
    const text = await serve((_, response) => response.end('hello'));
    await expect(fetchResource(text.url, text.policy)).rejects.toMatchObject({ code: 'unsupported_media_type' });
    const liar = await serve((_, response) => response.setHeader('content-type', 'image/png').end(PDF));
    await expect(fetchResource(liar.url, liar.policy)).rejects.toMatchObject({ code: 'media_type_mismatch' });
    await expect(fetchResource(liar.url, { ...liar.policy, accepted: ['image/webp'] })).rejects.toThrow(
      /image\/png is not/,
    );
  });

  it('stops at the limit: announced, streamed without end, compressed', async () => {
    const maxBytes = 100_000;
    const announced = await serve((_, response) => response.setHeader('content-length', 100_001).write('%PDF-'));
    await expect(fetchResource(announced.url, { ...announced.policy, maxBytes })).rejects.toThrow(
      /announced with 97.7 KiB/,
    );

    let sent = 0;
    const endless = await serve((_, response) => {
      const more = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(16_384, 32))) sent += 16_384;
      };
      response.on('drain', more);
      more();
    });
    await expect(fetchResource(endless.url, { ...endless.policy, maxBytes })).rejects.toMatchObject({
      code: 'url_too_large',
    });
    expect(sent).toBeLessThan(50_000_000);

    const bomb = gzipSync(Buffer.alloc(50_000_000));
    expect(bomb.length).toBeLessThan(maxBytes);
    const packed = await serve((_, response) => response.setHeader('content-encoding', 'gzip').end(bomb));
    await expect(fetchResource(packed.url, { ...packed.policy, maxBytes })).rejects.toMatchObject({
      code: 'url_too_large',
    });
  });

  it('accepts content of exactly the limit', async () => {
    const { url, policy } = await serve(pdf);
    expect((await fetchResource(url, { ...policy, maxBytes: PDF.length })).bytes).toHaveLength(PDF.length);
    await expect(fetchResource(url, { ...policy, maxBytes: PDF.length - 1 })).rejects.toMatchObject({
      code: 'url_too_large',
    });
  });

  it('fails on encodings that it does not know or that are broken, and on bodies cut off', async () => {
    const odd = await serve((_, response) => response.setHeader('content-encoding', 'zstd').end(PDF));
    await expect(fetchResource(odd.url, odd.policy)).rejects.toThrow(/encoding zstd is not known/);
    const broken = await serve((_, response) => response.setHeader('content-encoding', 'gzip').end(PDF));
    await expect(fetchResource(broken.url, broken.policy)).rejects.toMatchObject({ code: 'url_failed' });
    const cut = await serve((_, response) => {
      response.setHeader('content-length', PDF.length).write(PDF.subarray(0, 100), () => response.destroy());
    });
    await expect(fetchResource(cut.url, cut.policy)).rejects.toMatchObject({ code: 'url_failed', retryable: true });
  });
});

describe('time', () => {
  it('gives up on a server that says nothing', async () => {
    const { url, policy } = await serve(() => undefined);
    const refused = fetchResource(url, { ...policy, idleTimeoutMs: 300 });
    await expect(refused).rejects.toMatchObject({ code: 'url_timeout', retryable: true });
    await expect(refused).rejects.toThrow(/silent for more than 300 ms/);
  });

  it('gives up on a server that drips its answer', async () => {
    const { url, policy } = await serve((_, response) => {
      response.write('%PDF-1.7');
      const drip = setInterval(() => response.write(' '), 50);
      response.on('close', () => {
        clearInterval(drip);
      });
    });
    const before = performance.now();
    const refused = fetchResource(url, { ...policy, totalTimeoutMs: 600 });
    await expect(refused).rejects.toThrow('fetching took longer than 600 ms');
    // The server would go on for ever.
    expect(performance.now() - before).toBeLessThan(30_000);
  });

  it('gives up on a connection that does not come about', async () => {
    // TCP, but never a word of TLS.
    const port = await listen(createTcpServer());
    const policy = { allowedPorts: [port], isAllowedAddress: () => true, connectTimeoutMs: 300 };
    const refused = fetchResource(`https://${HOME}:${port}/`, policy);
    await expect(refused).rejects.toMatchObject({ code: 'url_timeout', retryable: true });
    await expect(refused).rejects.toThrow(/connecting to 127.0.0.5:\d+ took longer than 300 ms/);
  });

  it('gives up on a name that is not answered', async () => {
    const { url, policy } = await serve(pdf);
    const resolve = () => new Promise<string[]>(() => undefined);
    await expect(fetchResource(url, { ...policy, resolve, totalTimeoutMs: 200 })).rejects.toMatchObject({
      code: 'url_timeout',
    });
  });

  it('says so when nobody is there', async () => {
    const { url, policy } = await serve(pdf);
    servers.pop()?.close();
    await expect(fetchResource(url, policy)).rejects.toMatchObject({
      code: 'url_failed',
      message: expect.stringMatching(/ECONNREFUSED/) as string,
    });
  });

  it("stops when aborted, with the caller's reason", async () => {
    const { url, policy } = await serve(() => undefined);
    const reason = new Error('cancelled');
    const controller = new AbortController();
    setTimeout(() => {
      controller.abort(reason);
    }, 100);
    await expect(fetchResource(url, policy, controller.signal)).rejects.toBe(reason);
    await expect(fetchResource(url, policy, controller.signal)).rejects.toBe(reason);
  });
});
