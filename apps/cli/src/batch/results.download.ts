import { createWriteStream, renameSync, rmSync } from 'node:fs';
import { extname, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { findServer, type ServerFlags } from '../api/server.access.js';
import type { CommandIo } from '../command.io.js';
import { UsageError } from '../exit.codes.js';
import { requireWritable } from './run.target.js';

export interface DownloadFlags extends ServerFlags {
  readonly out?: string;
  readonly joined: boolean;
}

/**
 * Writes a batch's results as the server has them, to a file whole or not at all.
 * @throws UsageError for a file that is neither .csv nor .jsonl, or cannot be written
 */
export async function writeResults(id: string, { out, joined, ...flags }: DownloadFlags, io: CommandIo): Promise<void> {
  const { client } = findServer(flags, io);
  if (out === undefined) {
    const decoder = new TextDecoder();
    for await (const piece of await client.batchResults(id, 'jsonl', joined)) {
      io.stdout.write(decoder.decode(piece, { stream: true }));
    }
    return;
  }
  const format = formatOf(out);
  const path = resolve(io.cwd, out);
  requireWritable(path, out, []);
  const draft = `${path}.${process.pid}.tmp`;
  try {
    await pipeline(Readable.from(await client.batchResults(id, format, joined)), createWriteStream(draft));
    renameSync(draft, path);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
}

function formatOf(out: string): 'csv' | 'jsonl' {
  switch (extname(out).toLowerCase()) {
    case '.csv':
      return 'csv';
    case '.jsonl':
      return 'jsonl';
    default:
      throw new UsageError(`${out}: results are written as .csv or .jsonl`);
  }
}
