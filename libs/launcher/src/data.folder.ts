import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { newApiKey } from '@madakv/contracts';
import { z } from 'zod';
import { DataFolderInUseError } from './launch.errors.js';
import { endInOrder } from './orderly.end.js';
import { identityOf, isAlive, ProcessIdentitySchema } from './process.identity.js';

/** What runs on a data folder: written by the `up` that holds it. */
const SystemRecordSchema = z.object({
  holder: ProcessIdentitySchema,
  /** Where the gateway answers; null until it does. */
  url: z.string().nullable(),
  /** Id of the model that its workers serve. */
  model: z.string(),
  processes: z.array(ProcessIdentitySchema.extend({ name: z.string(), graceMs: z.number() })),
});
export type SystemRecord = z.infer<typeof SystemRecordSchema>;

/** Whose everything is on a system of one machine. */
export const LOCAL_TENANT = 'local';

/** A system that answers. */
export interface RunningSystem {
  readonly url: string;
  readonly apiKey: string;
  /** Id of the model that it serves. */
  readonly model: string;
}

/** Everything that a system on one machine keeps. Only its owner may read it. */
export class DataFolder {
  constructor(readonly path: string) {}

  readonly redisPath = (): string => this.subfolder('redis');
  readonly filesPath = (): string => this.subfolder('files');
  readonly logsPath = (): string => this.subfolder('logs');
  readonly keyFilePath = (): string => join(this.path, 'api-keys.json');

  create(): void {
    mkdirSync(this.path, { recursive: true, mode: 0o700 });
  }

  /** The key of this machine's user, made once. */
  apiKey(): string {
    return this.secret('api-key', () => newApiKey(LOCAL_TENANT).key);
  }

  redisPassword(): string {
    return this.secret('redis-password', () => randomBytes(24).toString('hex'));
  }

  /** Writes a file that only its owner may read, whole or not at all. */
  writePrivate(path: string, content: string): void {
    const draft = `${path}.${process.pid}.tmp`;
    writeFileSync(draft, content, { mode: 0o600 });
    renameSync(draft, path);
  }

  /**
   * Takes the folder for this process. What a killed holder left running is ended first.
   * @param model id of what will be served
   * @throws DataFolderInUseError with the pid when a living process holds it
   */
  async claim(model: string): Promise<void> {
    this.create();
    const holder = identityOf(process.pid);
    if (holder === undefined) throw new Error('this process cannot tell when it started');
    const record: SystemRecord = { holder, url: null, model, processes: [] };
    const draft = `${this.recordPath}.${process.pid}.tmp`;
    writeFileSync(draft, JSON.stringify(record), { mode: 0o600 });
    try {
      while (!linked(draft, this.recordPath)) await this.clearDeadHolder();
    } finally {
      rmSync(draft, { force: true });
    }
  }

  /** Replaces the record; for the holder. */
  update(record: Omit<SystemRecord, 'holder'>): void {
    const holder = identityOf(process.pid);
    if (holder !== undefined) this.writePrivate(this.recordPath, JSON.stringify({ holder, ...record }));
  }

  /** Gives the folder back; for the holder. */
  release(): void {
    rmSync(this.recordPath, { force: true });
  }

  /** The system that runs on this folder, if one does and answers. */
  running(): RunningSystem | undefined {
    const record = this.record();
    if (record?.url == null || !isAlive(record.holder)) return undefined;
    return { url: record.url, apiKey: this.apiKey(), model: record.model };
  }

  private get recordPath(): string {
    return join(this.path, 'system.json');
  }

  /** Undefined when there is none, or none that can be read. */
  private record(): SystemRecord | undefined {
    try {
      return SystemRecordSchema.parse(JSON.parse(readFileSync(this.recordPath, 'utf8')));
    } catch {
      return undefined;
    }
  }

  private async clearDeadHolder(): Promise<void> {
    const record = this.record();
    if (record !== undefined) {
      if (isAlive(record.holder)) throw new DataFolderInUseError(this.path, record.holder.pid, record.url);
      await endInOrder(record.processes);
    }
    // Moved aside, not removed: of several that clear at once, one moves the dead record.
    const aside = `${this.recordPath}.${process.pid}.old`;
    try {
      renameSync(this.recordPath, aside);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      return;
    }
    const moved = SystemRecordSchema.safeParse(parsed(readFileSync(aside, 'utf8')));
    // Another one was faster and this is its record: back with it.
    if (moved.success && isAlive(moved.data.holder)) linked(aside, this.recordPath);
    rmSync(aside, { force: true });
  }

  private secret(name: string, make: () => string): string {
    const path = join(this.path, name);
    if (!existsSync(path)) {
      this.create();
      const draft = `${path}.${process.pid}.tmp`;
      writeFileSync(draft, `${make()}\n`, { mode: 0o600 });
      linked(draft, path);
      rmSync(draft, { force: true });
    }
    chmodSync(path, 0o600);
    return readFileSync(path, 'utf8').trim();
  }

  private subfolder(name: string): string {
    const path = join(this.path, name);
    mkdirSync(path, { recursive: true, mode: 0o700 });
    return path;
  }
}

/** Gives the file a second name unless that is taken; atomic, as renaming is not. */
function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
