import { Logger } from '@nestjs/common';
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, extname, join, posix } from 'node:path';

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
};

/** Addresses of the page itself: what a browser is sent that asks for one of them is the same. */
const VIEWS = /^\/(?:|batches(?:\/[^/]+)?|requests(?:\/[^/]+)?|try|compare|models|usage|webhooks)\/?$/;

/**
 * The page needs its own scripts, styles and images and its own host; pictures that somebody drops onto it are shown before they are
 * sent. Nothing inline runs, nothing is evaluated, nothing comes from or goes to elsewhere, and nobody frames it.
 */
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob:",
  "connect-src 'self'",
  "font-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

interface PageFile {
  readonly type: string;
  readonly etag: string;
  readonly content: Buffer;
  /** The same, compressed, by the name of the encoding. */
  readonly encoded: Readonly<Partial<Record<'br' | 'gzip', Buffer>>>;
}

/** Names with a hash of their content may be kept for ever. */
const HASHED = '/assets/';

/**
 * The files of the page, read once: a few hundred kilobytes. Requests name one of them or nothing.
 * @param folder of what was built; without one there is no page
 */
export function pageFiles(folder: string): ReadonlyMap<string, PageFile> {
  const files = new Map<string, PageFile>();
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const type = TYPES[extname(entry.name)];
    if (!entry.isFile() || (type as string | undefined) === undefined) continue;
    const path = join(entry.parentPath, entry.name);
    const content = readFileSync(path);
    const encoded = { ...compressed('br', `${path}.br`), ...compressed('gzip', `${path}.gz`) };
    const etag = `"${createHash('sha256').update(content).digest('base64url').slice(0, 27)}"`;
    const name = path.slice(folder.length).split(/[\\/]/).join(posix.sep);
    files.set(name.startsWith('/') ? name : `/${name}`, { type, etag, content, encoded });
  }
  return files;
}

function compressed(encoding: 'br' | 'gzip', path: string): Partial<Record<'br' | 'gzip', Buffer>> {
  try {
    return { [encoding]: readFileSync(path) };
  } catch {
    return {};
  }
}

/** Where the page lies once it is built. */
function builtFolder(): string {
  return join(dirname(createRequire(import.meta.url).resolve('@madakv/dashboard/package.json')), 'dist');
}

/** Serves the page; passes on what is not of it. */
export function servePage(folder?: string): RequestHandler {
  let files: ReadonlyMap<string, PageFile>;
  try {
    files = pageFiles(folder ?? builtFolder());
  } catch {
    new Logger('Page').warn('the page is not built (npm run build): there is none at /');
    files = new Map();
  }
  const index = files.get('/index.html');
  return (request: Request, response: Response, next: NextFunction): void => {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      next();
      return;
    }
    const asset = request.path.startsWith(HASHED) ? files.get(request.path) : undefined;
    const wantsPage = VIEWS.test(request.path) && request.accepts(['json', 'html']) === 'html';
    const file = asset ?? (wantsPage ? index : files.get(rootFile(request.path)));
    if (file === undefined) {
      next();
      return;
    }
    response.set({
      'content-security-policy': PAGE_POLICY,
      'cache-control': asset === undefined ? 'no-cache' : 'public, max-age=31536000, immutable',
      'permissions-policy': 'camera=(), geolocation=(), microphone=()',
    });
    send(request, response, file);
  };
}

/** Such as the icon, which browsers look for at the root. */
function rootFile(path: string): string {
  return /^\/[a-z]+\.(svg|png)$/.test(path) ? path : '';
}

function send(request: Request, response: Response, { type, etag, content, encoded }: PageFile): void {
  response.set({ 'content-type': type, etag, vary: 'accept-encoding, accept' });
  if (request.header('if-none-match') === etag) {
    response.status(304).end();
    return;
  }
  const encoding = request.acceptsEncodings(['br', 'gzip', 'identity']);
  const body = encoding === 'br' || encoding === 'gzip' ? encoded[encoding] : undefined;
  if (body !== undefined) response.set('content-encoding', encoding as string);
  response.set('content-length', String((body ?? content).length));
  response.end(request.method === 'HEAD' ? undefined : (body ?? content));
}
