/* global AbortController, AbortSignal, clearTimeout, fetch, setTimeout */
// Fetches a model's files from a hub with the API of huggingface.co into a folder, and then writes the marker that workers wait
// for. What is there already is kept and what is half there is gone on with, so a job that is started again does not start over.
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { mkdir, rename, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { env, exit } from 'node:process';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as pause } from 'node:timers/promises';

const { HUB, REPOSITORY, REVISION, SUFFIXES, FOLDER, MARKER, HUB_TOKEN, PAUSE_MS = '1000' } = env;
const ATTEMPTS = 8;
/** A connection that is silent for this long is given up, in milliseconds. */
const SILENT_MS = 60_000;
const headers = HUB_TOKEN ? { authorization: `Bearer ${HUB_TOKEN}` } : {};

/** An answer of the hub that does not change by asking again. */
class Refused extends Error {}

/** Calls until it works, with longer and longer pauses, or as long as the hub says. */
async function patiently(what, work) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (error instanceof Refused || attempt === ATTEMPTS) throw error;
      const waitMs = error.retryAfterMs ?? Number(PAUSE_MS) * 2 ** (attempt - 1);
      console.log(`${what}: ${error.message}; again in ${Math.ceil(waitMs / 1_000)} s`);
      await pause(waitMs);
    }
  }
}

async function get(url, more = {}, signal = undefined) {
  const response = await fetch(url, { headers: { ...headers, ...more }, signal });
  if (response.ok) return response;
  await response.body?.cancel();
  const message = `${response.status} for ${url}`;
  const mayPass = response.status === 408 || response.status === 429 || response.status >= 500;
  if (!mayPass && response.status !== 416) throw new Refused(message);
  const seconds = Number(response.headers.get('retry-after'));
  throw Object.assign(new Error(message), seconds > 0 ? { retryAfterMs: seconds * 1_000 } : {}, {
    status: response.status,
  });
}

/** The files of the revision that are wanted: name, bytes, and SHA-256 where the hub has one. */
async function listed() {
  const url = `${HUB}/api/models/${REPOSITORY}/revision/${encodeURIComponent(REVISION)}?blobs=true`;
  const { siblings } = await patiently('list', async () => (await get(url, {}, AbortSignal.timeout(SILENT_MS))).json());
  const suffixes = SUFFIXES.split(',');
  const files = siblings
    .map(({ rfilename, size, lfs }) => ({ name: rfilename, size: lfs?.size ?? size, sha256: lfs?.sha256 }))
    .filter(({ name }) => suffixes.some((suffix) => name.endsWith(suffix)));
  for (const { name } of files) {
    if (name.startsWith('/') || name.split('/').includes('..')) throw new Refused(`a file named ${name}`);
  }
  if (!files.some(({ name }) => name === 'config.json')) throw new Refused(`${REPOSITORY} has no config.json`);
  return files;
}

async function sizeOf(path) {
  return (await stat(path).catch(() => ({ size: 0 }))).size;
}

async function sha256Of(path) {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path)) hash.update(piece);
  return hash.digest('hex');
}

async function fetchFile({ name, size, sha256 }) {
  const path = join(FOLDER, name);
  if (existsSync(path)) return;
  const part = `${path}.part`;
  await mkdir(dirname(path), { recursive: true });
  const url = `${HUB}/${REPOSITORY}/resolve/${encodeURIComponent(REVISION)}/${name.split('/').map(encodeURIComponent).join('/')}`;
  await patiently(name, async () => {
    let start = await sizeOf(part);
    if (size !== undefined && start > size) start = 0;
    if (start === 0 || start !== size) {
      const silent = new AbortController();
      let timer = setTimeout(() => silent.abort(new Error('the hub is silent')), SILENT_MS);
      try {
        const response = await get(url, start > 0 ? { range: `bytes=${start}-` } : {}, silent.signal);
        const body = Readable.fromWeb(response.body);
        body.on('data', () => timer.refresh());
        await pipeline(body, createWriteStream(part, { flags: response.status === 206 ? 'a' : 'w' }), {
          signal: silent.signal,
        });
      } finally {
        clearTimeout(timer);
      }
    }
    const got = await sizeOf(part);
    const wrong =
      size !== undefined && got !== size
        ? `${got} bytes instead of ${size}`
        : sha256 !== undefined && (await sha256Of(part)) !== sha256
          ? 'its SHA-256 is not what the hub says'
          : undefined;
    if (wrong !== undefined) {
      // What is too short is gone on with; anything else is begun anew.
      if (size === undefined || got >= size) await writeFile(part, '');
      throw new Error(wrong);
    }
    await rename(part, path);
    console.log(`${name}: ${got} bytes`);
  });
}

async function main() {
  if (existsSync(MARKER)) {
    console.log(`${MARKER} is there already`);
    return;
  }
  for (const file of await listed()) await fetchFile(file);
  await writeFile(MARKER, `${REPOSITORY}@${REVISION}\n`);
  console.log(`${FOLDER} is complete`);
}

await main().catch((error) => {
  console.error(error.message, error.cause?.message ?? '');
  exit(1);
});
