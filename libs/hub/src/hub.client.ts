import { setTimeout as pause } from 'node:timers/promises';
import { EnvHttpProxyAgent, fetch, type Response } from 'undici';
import { z } from 'zod';
import { HubError } from './hub.error.js';
import type { HubSettings } from './hub.settings.js';
import { isCommit, referenceText, type ModelReference } from './model.reference.js';

/** A file of a repository at one commit. */
export interface RepositoryFile {
  /** Relative to the repository, with slashes. */
  readonly path: string;
  readonly size: number;
  /** Name of its blob in the cache, and what its content must hash to: SHA-256 of an LFS file, git's blob SHA-1 of any other. */
  readonly etag: string;
}

export interface Repository {
  readonly commit: string;
  readonly files: readonly RepositoryFile[];
}

/** Part of a file that is on its way. */
export interface FilePart {
  /** Byte of the file that the body begins with. */
  readonly from: number;
  readonly body: AsyncIterable<Uint8Array>;
}

export interface HubClientOptions {
  readonly signal?: AbortSignal;
  /** Told what is waited for, and how long. */
  readonly onNote?: (text: string) => void;
  /** Pause before the attempt of this number, counted from 1, in milliseconds; it doubles from half a second where absent. */
  readonly pauseMs?: (attempt: number) => number;
  /** The hub may let a caller wait this long at a time. */
  readonly longestWaitMs?: number;
  /** A connection that says nothing for this long is given up. */
  readonly silenceMs?: number;
}

/** Attempts that got nowhere before the hub counts as out of reach. */
export const ATTEMPTS = 4;
const LONGEST_WAIT_MS = 300_000;
const SILENCE_MS = 30_000;
/** Of an answer that is no file: what a repository of hundreds of thousands of files says. */
const LONGEST_ANSWER_BYTES = 64 * 2 ** 20;

const siblingSchema = z.object({
  rfilename: z.string(),
  size: z.int().min(0),
  blobId: z.string().regex(/^[0-9a-f]{40}$/),
  lfs: z.object({ sha256: z.string().regex(/^[0-9a-f]{64}$/), size: z.int().min(0) }).nullish(),
});
const repositorySchema = z.object({ sha: z.string().refine(isCommit), siblings: z.array(siblingSchema) });

/**
 * The hub's public HTTP interface, as far as pulling needs it. Waits where the hub says so, and tries again what a network
 * does now and then. The token goes to the hub alone: `fetch` leaves it out when an answer points to another host.
 */
export class HubClient {
  private readonly agent: EnvHttpProxyAgent;

  constructor(
    private readonly settings: HubSettings,
    private readonly options: HubClientOptions = {},
  ) {
    const silence = options.silenceMs ?? SILENCE_MS;
    this.agent = new EnvHttpProxyAgent({
      headersTimeout: silence,
      bodyTimeout: silence,
      connect: { timeout: silence },
    });
  }

  /** Which commit a revision is now, and what files it has. @throws HubError */
  async repository(reference: ModelReference): Promise<Repository> {
    const { repo, revision } = reference;
    const path = `/api/models/${repo}/revision/${encodeURIComponent(revision)}?blobs=true`;
    const parsed = repositorySchema.safeParse(jsonOf(await this.text(reference, path)));
    if (!parsed.success) {
      const where = parsed.error.issues[0].path.join('.');
      throw new HubError(
        'bad_answer',
        `${this.settings.endpoint}: no hub answers there${where === '' ? '' : ` (${where} is not as it should be)`}; see HF_ENDPOINT`,
      );
    }
    const { sha, siblings } = parsed.data;
    return {
      commit: sha,
      files: siblings.map(({ rfilename, size, blobId, lfs }) => ({
        path: rfilename,
        size: lfs?.size ?? size,
        etag: lfs?.sha256 ?? blobId,
      })),
    };
  }

  /** A whole answer; one that breaks off is asked for again. */
  private async text(reference: ModelReference, path: string): Promise<string> {
    for (let attempt = 1; ; attempt++) {
      const response = await this.request(reference, path, {});
      try {
        return await limitedText(response);
      } catch (error) {
        if (error instanceof HubError || this.options.signal?.aborted === true) throw error;
        if (attempt >= ATTEMPTS) throw unreachable(reference, this.settings, networkProblem(error));
        await this.pause(attempt);
      }
    }
  }

  /**
   * Asks for a file from a byte on. The hub may send more than was asked for: see `from` of the answer.
   * @throws HubError; what the network threw once the answer has begun
   */
  async file(
    reference: ModelReference,
    commit: string,
    { path, size }: RepositoryFile,
    from: number,
  ): Promise<FilePart> {
    const address = `/${reference.repo}/resolve/${commit}/${path.split('/').map(encodeURIComponent).join('/')}`;
    const response = await this.request(reference, address, from === 0 ? {} : { range: `bytes=${from}-` });
    const range = /^bytes (\d+)-\d+\/(\d+)$/.exec(response.headers.get('content-range') ?? '');
    const start = response.status === 206 ? Number(range?.[1]) : 0;
    const length = response.headers.get('content-length');
    const total = response.status === 206 ? Number(range?.[2]) : length === null ? size : Number(length);
    if (start > from || Number.isNaN(start) || total !== size || response.body === null) {
      await response.body?.cancel();
      throw changed(reference, path);
    }
    return { from: start, body: response.body as AsyncIterable<Uint8Array> };
  }

  /** Waits before an attempt that follows a failed one. */
  async pause(attempt: number): Promise<void> {
    const { pauseMs = (number: number) => 500 * 2 ** (number - 1), signal } = this.options;
    await pause(pauseMs(attempt), undefined, { signal });
  }

  async close(): Promise<void> {
    await this.agent.destroy();
  }

  private async request(
    reference: ModelReference,
    path: string,
    headers: Readonly<Record<string, string>>,
  ): Promise<Response> {
    const { endpoint, token } = this.settings;
    const { signal, longestWaitMs = LONGEST_WAIT_MS, onNote } = this.options;
    for (let attempt = 1; ; attempt++) {
      let problem: string;
      try {
        const response = await fetch(endpoint + path, {
          // Compressed bytes could not be counted, nor continued.
          headers: {
            'accept-encoding': 'identity',
            'user-agent': 'madakv',
            ...headers,
            ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          },
          dispatcher: this.agent,
          ...(signal === undefined ? {} : { signal }),
        });
        if (response.ok) return response;
        await response.body?.cancel();
        if (response.status === 429) {
          const waitMs = askedWaitMs(response) ?? 60_000;
          if (waitMs > longestWaitMs || attempt >= ATTEMPTS) throw rateLimited(reference, this.settings, waitMs);
          onNote?.(`the hub limits requests: waiting ${Math.ceil(waitMs / 1000)} s`);
          await pause(waitMs, undefined, { signal });
          continue;
        }
        if (response.status < 500) throw refusal(reference, path, response, this.settings);
        problem = `it answers ${response.status}`;
      } catch (error) {
        if (error instanceof HubError || signal?.aborted === true) throw error;
        problem = networkProblem(error);
      }
      if (attempt >= ATTEMPTS) throw unreachable(reference, this.settings, problem);
      await this.pause(attempt);
    }
  }
}

async function limitedText({ body, url }: Response): Promise<string> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of (body ?? []) as AsyncIterable<Uint8Array>) {
    length += piece.length;
    if (length > LONGEST_ANSWER_BYTES) {
      throw new HubError(
        'bad_answer',
        `${url}: the answer is longer than ${LONGEST_ANSWER_BYTES} bytes; see HF_ENDPOINT`,
      );
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString();
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function changed(reference: ModelReference, path: string): HubError {
  return new HubError(
    'changed',
    `${referenceText(reference)}: ${path} is not what the hub says it is, twice; it changed while it was pulled, or something ` +
      'between here and the hub alters it. Pull again; see HF_ENDPOINT and the proxy',
  );
}

export function unreachable(reference: ModelReference, { endpoint }: HubSettings, problem: string): HubError {
  return new HubError(
    'unreachable',
    `${referenceText(reference)}: ${endpoint} cannot be reached: ${problem}. Check the network, HF_ENDPOINT and HTTPS_PROXY; ` +
      'what came so far is kept. With HF_HUB_OFFLINE=1 only what is in the cache is used',
  );
}

/** What a failed connection says, with the cause that `fetch` hides. */
export function networkProblem(error: unknown): string {
  const { cause, message } = error as Error;
  const { code, message: inner } = (cause ?? {}) as { code?: string; message?: string };
  return code ?? inner ?? message;
}

function rateLimited(reference: ModelReference, { endpoint, token }: HubSettings, waitMs: number): HubError {
  const seconds = Math.ceil(waitMs / 1000);
  const more = token === undefined ? ', or set HF_TOKEN: those who log in may ask more' : '';
  return new HubError(
    'rate_limited',
    `${referenceText(reference)}: ${endpoint} limits requests for another ${seconds} s. Pull again then${more}; what came so far is kept`,
  );
}

/** `Retry-After` in seconds or as a date, else the `t` of `RateLimit`. */
function askedWaitMs({ headers }: Response): number | undefined {
  const after = headers.get('retry-after');
  if (after !== null) {
    const ms = /^\d+$/.test(after) ? 1000 * Number(after) : Date.parse(after) - Date.now();
    if (!Number.isNaN(ms)) return Math.max(0, ms);
  }
  const reset = /(?:^|;)\s*t=(\d+)/.exec(headers.get('ratelimit') ?? '')?.[1];
  return reset === undefined ? undefined : 1000 * Number(reset);
}

function refusal(reference: ModelReference, path: string, response: Response, settings: HubSettings): HubError {
  const { endpoint, token } = settings;
  const { repo, revision } = reference;
  const code = response.headers.get('x-error-code') ?? '';
  if (code === 'GatedRepo' || (response.status === 403 && code === '')) {
    const then =
      token === undefined
        ? 'then set HF_TOKEN'
        : 'with the account of HF_TOKEN; fine-grained tokens need the right to read gated repositories';
    return new HubError(
      'gated',
      `${repo}: its owner grants access on request. Ask for it at ${endpoint}/${repo}, ${then}`,
    );
  }
  if (code === 'RevisionNotFound') {
    return new HubError(
      'no_such_revision',
      `${repo}: no branch, tag or commit ${revision}; see ${endpoint}/${repo}/commits`,
    );
  }
  if (response.status === 401 && token !== undefined && code !== 'RepoNotFound') {
    return new HubError(
      'bad_token',
      `${repo}: ${endpoint} does not know the token of HF_TOKEN (or of the token file). Make a new one, or unset it`,
    );
  }
  if (response.status === 404 && path.includes('/resolve/')) {
    return new HubError('changed', `${referenceText(reference)}: ${endpoint} no longer has ${path}. Pull again`);
  }
  if (response.status === 404 || response.status === 401) {
    const login =
      token === undefined
        ? 'to see a private one, set HF_TOKEN or log in with `hf auth login`'
        : 'the account of the token cannot see it if it is there';
    return new HubError(
      'not_found',
      `${repo}: no such repository at ${endpoint}, or a private one. Check the name; ${login}`,
    );
  }
  return new HubError('bad_answer', `${referenceText(reference)}: ${endpoint} answers ${response.status}`);
}
