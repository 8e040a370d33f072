import { MadakvError, type BatchRecord } from '@madakv/contracts';
import { hasEnded, Records } from '@madakv/records';
import { Inject, Injectable } from '@nestjs/common';
import type { GatewaySettings } from '../gateway.settings.js';
import { SETTINGS } from '../gateway.tokens.js';
import { TenantLimits } from './tenant.limits.js';

/** When to ask again, in milliseconds. */
const RETRY_MS = 60_000;
/** An entry without a batch is of a gateway that died while it created one, once it is this old, in milliseconds. */
const CREATING_MS = 600_000;

/**
 * A tenant's batches that have not ended, with the lines of their input: a hash, from which those that have ended are
 * taken out whenever it is read.
 */
@Injectable()
export class ActiveBatches {
  constructor(
    @Inject(Records) private readonly records: Records,
    @Inject(SETTINGS) private readonly settings: GatewaySettings,
    @Inject(TenantLimits) private readonly limits: TenantLimits,
  ) {}

  /**
   * Counts a batch that is about to be created.
   * @throws MadakvError rate_limit_exceeded when its lines are too many beside the others'; then it does not count
   */
  async add(tenant: string, batchId: string, lines: number): Promise<void> {
    const { queuedBatchLines } = this.limits.of(tenant);
    await this.records.redis.hset(this.key(tenant), batchId, `${lines} ${Date.now()}`);
    let others = 0;
    for (const [id, count, record] of await this.entries(tenant)) {
      if (id === batchId) continue;
      others += Math.max(0, count - endedLines(record));
    }
    if (others + lines <= queuedBatchLines) return;
    await this.remove(tenant, batchId);
    throw new MadakvError(
      'rate_limit_exceeded',
      `Too many lines in batches: ${others} are queued and the file has ${lines}; the limit is ${queuedBatchLines}.`,
      { reason: 'batch_lines_exceeded', retryAfterMs: RETRY_MS, lasting: true },
    );
  }

  /** Of those that have not ended: how many, and how many of their lines have an outcome. */
  async counts(tenant: string): Promise<{ readonly open: number; readonly lines: number; readonly ended: number }> {
    const entries = await this.entries(tenant);
    const ended = entries.map(([, , record]) => endedLines(record));
    const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0);
    return { open: entries.length, lines: sum(entries.map(([, lines]) => lines)), ended: sum(ended) };
  }

  /** @returns the batch that still reads this file */
  async using(tenant: string, fileId: string): Promise<string | undefined> {
    const entries = await this.entries(tenant);
    return entries.find(([, , record]) => record?.object.input_file_id === fileId)?.[0];
  }

  /** Record is undefined for a batch that is being created now. */
  private async entries(tenant: string): Promise<[string, number, BatchRecord | undefined][]> {
    const lines = await this.records.redis.hgetall(this.key(tenant));
    const entries: [string, number, BatchRecord | undefined][] = [];
    for (const [id, text] of Object.entries(lines)) {
      const [count, sinceMs] = text.split(' ').map(Number);
      const record = await this.records.batches.get(id);
      const isOver = record === undefined ? Date.now() - sinceMs > CREATING_MS : hasEnded(record.object.status);
      if (isOver) await this.remove(tenant, id);
      else entries.push([id, count, record]);
    }
    return entries;
  }

  private async remove(tenant: string, batchId: string): Promise<void> {
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
