import { MadakvError, type BatchRecord } from '@madakv/contracts';
import { hasEnded, Records, Script } from '@madakv/records';
import { Inject, Injectable } from '@nestjs/common';
import type { GatewaySettings } from '../gateway.settings.js';
import { SETTINGS } from '../gateway.tokens.js';
import { TenantLimits } from './tenant.limits.js';

/** When to ask again, in milliseconds. */
const RETRY_MS = 60_000;
/** An entry without a batch is of a gateway that died while it created one, once it is this old, in milliseconds. */
const CREATING_MS = 600_000;

/**
 * Enters a batch unless its lines are too many beside the others'. One that is entered already stays as it is.
 *   KEYS  the tenant's hash
 *   ARGV  id, its lines, most lines, its entry, then ids of others and how many of their lines wait
 * @returns lines of the others that wait where they leave no room, otherwise -1
 */
const ENTER = new Script(`
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then return -1 end
local waiting = {}
for i = 5, #ARGV, 2 do waiting[ARGV[i]] = tonumber(ARGV[i + 1]) end
local others = 0
local entries = redis.call('HGETALL', KEYS[1])
for i = 1, #entries, 2 do
  others = others + (waiting[entries[i]] or tonumber(string.match(entries[i + 1], '^%d+')))
end
if others + tonumber(ARGV[2]) > tonumber(ARGV[3]) then return others end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[4])
return -1
`);

interface Entry {
  readonly id: string;
  readonly lines: number;
  readonly fileId: string | undefined;
  /** Undefined for a batch that is being created now. */
  readonly record: BatchRecord | undefined;
}

/**
 * A tenant's batches that have not ended, with the lines of their input and the file they are read from: a hash, from which
 * those that have ended are taken out whenever it is read.
 */
@Injectable()
export class ActiveBatches {
  constructor(
    @Inject(Records) private readonly records: Records,
    @Inject(SETTINGS) private readonly settings: GatewaySettings,
    @Inject(TenantLimits) private readonly limits: TenantLimits,
  ) {}

  /**
   * Counts a batch that is about to be created, at once: of two that leave no room for each other one is counted.
   * @throws MadakvError rate_limit_exceeded when its lines are too many beside the others'; then it does not count
   */
  async add(tenant: string, batchId: string, fileId: string, lines: number): Promise<void> {
    const { queuedBatchLines } = this.limits.of(tenant);
    const waiting = (await this.entries(tenant)).flatMap(({ id, lines: all, record }) => [
      id,
      Math.max(0, all - endedLines(record)),
    ]);
    const entry = `${lines} ${Date.now()} ${fileId}`;
    const args = [batchId, lines, queuedBatchLines, entry, ...waiting];
    const others = Number(await ENTER.run(this.records.redis, [this.key(tenant)], args));
    if (others < 0) return;
    throw new MadakvError(
      'rate_limit_exceeded',
      `Too many lines in batches: ${others} are queued and the file has ${lines}; the limit is ${queuedBatchLines}.`,
      { reason: 'batch_lines_exceeded', retryAfterMs: RETRY_MS, lasting: true },
    );
  }

  /** Of those that have not ended: how many, and how many of their lines have an outcome. */
  async counts(tenant: string): Promise<{ readonly open: number; readonly lines: number; readonly ended: number }> {
    const entries = await this.entries(tenant);
    const ended = entries.map(({ record }) => endedLines(record));
    const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0);
    return { open: entries.length, lines: sum(entries.map(({ lines }) => lines)), ended: sum(ended) };
  }

  /** @returns the batch that reads this file, or is about to */
  async using(tenant: string, fileId: string): Promise<string | undefined> {
    // Entries written before they named their file are looked up.
    const named = (entry: string | undefined): boolean => entry === undefined || entry === fileId;
    return (await this.entries(tenant, named)).find((entry) => entry.fileId === fileId)?.id;
  }

  /** @param isWanted by the file that an entry names; others are not looked at */
  private async entries(
    tenant: string,
    isWanted: (fileId: string | undefined) => boolean = () => true,
  ): Promise<Entry[]> {
    const texts = await this.records.redis.hgetall(this.key(tenant));
    const entries: Entry[] = [];
    for (const [id, text] of Object.entries(texts)) {
      const [lines, sinceMs, fileId] = text.split(' ') as [string, string, string?];
      if (!isWanted(fileId)) continue;
      const record = await this.records.batches.get(id);
      const isOver = record === undefined ? Date.now() - Number(sinceMs) > CREATING_MS : hasEnded(record.object.status);
      if (isOver) await this.remove(tenant, id);
      else entries.push({ id, lines: Number(lines), fileId: record?.object.input_file_id ?? fileId, record });
    }
    return entries;
  }

  /** A batch that is not created after all, or has ended, counts no more. */
  async remove(tenant: string, batchId: string): Promise<void> {
    await this.records.redis.hdel(this.key(tenant), batchId);
  }

  private key(tenant: string): string {
    return `${this.settings.MADAKV_KEY_PREFIX}:activebatches:${tenant}`;
  }
}

function endedLines(record: BatchRecord | undefined): number {
  const { completed, failed } = record?.object.request_counts ?? { completed: 0, failed: 0 };
  return completed + failed;
}
