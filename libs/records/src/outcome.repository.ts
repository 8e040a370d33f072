import {
  LineOutcomeSchema,
  OutcomeSchema,
  type BodySource,
  type LineOutcome,
  type LineRefusal,
  type Outcome,
} from '@madakv/contracts';
import type { Redis } from 'ioredis';
import type { RecordKeys } from './record.keys.js';
import { SETTLE, settlementArgs, settlementKeys, type RequestSettlement } from './request.settlement.js';
import { Script } from './script.js';

/** How long the outcome of a chat completion is known, in seconds. */
const CHAT_OUTCOME_SECONDS = 24 * 3600;
/** How long it is known that a batch takes no more outcomes, in seconds: longer than any worker works on a line. */
const CLOSED_SECONDS = 7 * 24 * 3600;

/**
 * Refuses lines that have no outcome, and counts them as failed. Writes nothing once the batch is closed.
 *   KEYS  outcomes, counts of the batch
 *   ARGV  for each line: line, refusal
 */
const REFUSE_LINES = new Script(`
if redis.call('HEXISTS', KEYS[2], 'closed') == 1 then return 0 end
for i = 1, #ARGV, 2 do
  if redis.call('HSETNX', KEYS[1], ARGV[i], ARGV[i + 1]) == 1 then redis.call('HINCRBY', KEYS[2], 'failed', 1) end
end
return 1
`);

/**
 * Writes the outcome of a line, counts what it came to, and gives back what was reserved for it. Where it has an outcome, or its
 * batch is closed, nothing happens.
 *   KEYS  outcomes, counts of the batch; those of SETTLE
 *   ARGV  line, outcome, state to count, prompt tokens, cached ones among them, completion tokens; those of SETTLE
 *   Output: 1 when it was written
 */
const SETTLE_LINE = new Script(`${SETTLE}
if redis.call('HEXISTS', KEYS[2], 'closed') == 1 then return 0 end
if redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2]) == 0 then return 0 end
redis.call('HINCRBY', KEYS[2], ARGV[3], 1)
redis.call('HINCRBY', KEYS[2], 'prompt_tokens', ARGV[4])
redis.call('HINCRBY', KEYS[2], 'cached_tokens', ARGV[5])
redis.call('HINCRBY', KEYS[2], 'completion_tokens', ARGV[6])
settle(3, 7)
return 1
`);

/**
 * The same for a chat completion.
 *   KEYS  outcome; those of SETTLE
 *   ARGV  outcome, seconds that it is known; those of SETTLE
 */
const SETTLE_CHAT = new Script(`${SETTLE}
if redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2], 'NX') == false then return 0 end
settle(2, 3)
return 1
`);

/** What names a request: where its body lies tells whether it is a line of a batch. */
export interface RequestRef {
  readonly requestId: string;
  readonly source: BodySource;
}

/**
 * How requests ended. An outcome is written once and never changes: whoever comes second finds it. The answer's file must
 * be in the FileStore before.
 */
export class OutcomeRepository {
  constructor(
    private readonly redis: Redis,
    private readonly keys: RecordKeys,
  ) {}

  /** @returns whether this call wrote it; a batch that is closed takes none. Nothing is counted or given back where it did not */
  async commit({ requestId, source }: RequestRef, outcome: Outcome, settlement: RequestSettlement): Promise<boolean> {
    const text = JSON.stringify(outcome);
    const settledKeys = settlementKeys(this.keys, settlement);
    const settledArgs = settlementArgs(settlement);
    if (source.kind === 'body') {
      const keys = [this.keys.outcome(requestId), ...settledKeys];
      return (await SETTLE_CHAT.run(this.redis, keys, [text, CHAT_OUTCOME_SECONDS, ...settledArgs])) === 1;
    }
    const { prompt_tokens = 0, completion_tokens = 0, prompt_tokens_details } = outcome.usage ?? {};
    const cached = prompt_tokens_details?.cached_tokens ?? 0;
    const args = [source.line, text, outcome.state, prompt_tokens, cached, completion_tokens, ...settledArgs];
    return (await SETTLE_LINE.run(this.redis, [...this.lineKeys(source.batchId), ...settledKeys], args)) === 1;
  }

  /** Ends lines that cannot be run; they count as failed. */
  async refuse(batchId: string, refusals: readonly (readonly [line: number, refusal: LineRefusal])[]): Promise<void> {
    if (refusals.length === 0) return;
    const args = refusals.flatMap(([line, refusal]) => [line, JSON.stringify(refusal)]);
    await REFUSE_LINES.run(this.redis, this.lineKeys(batchId), args);
  }

  /** Whether the request has ended, in whatever way. */
  async has({ requestId, source }: RequestRef): Promise<boolean> {
    const found =
      source.kind === 'body'
        ? await this.redis.exists(this.keys.outcome(requestId))
        : await this.redis.hexists(this.keys.lineOutcomes(source.batchId), String(source.line));
    return found === 1;
  }

  /** @returns undefined where there is none, or the line was refused */
  async find({ requestId, source }: RequestRef): Promise<Outcome | undefined> {
    if (source.kind === 'line') {
      const [outcome] = await this.ofLines(source.batchId, [source.line]);
      return outcome?.state === 'refused' ? undefined : outcome;
    }
    const text = await this.redis.get(this.keys.outcome(requestId));
    return text === null ? undefined : OutcomeSchema.parse(JSON.parse(text));
  }

  /** Outcomes of a batch's lines, undefined where a line has none. */
  async ofLines(batchId: string, lines: readonly number[]): Promise<(LineOutcome | undefined)[]> {
    if (lines.length === 0) return [];
    const texts = await this.redis.hmget(this.keys.lineOutcomes(batchId), ...lines.map(String));
    return texts.map((text) => (text === null ? undefined : LineOutcomeSchema.parse(JSON.parse(text))));
  }

  /** From now on what the batch's lines have come to stands. */
  async closeLines(batchId: string): Promise<void> {
    await this.redis.hset(this.keys.lineCounts(batchId), 'closed', 1);
  }

  /** Forgets a batch's outcomes once its files are written and its record has the final counts. Late ones are still refused. */
  async forgetLines(batchId: string): Promise<void> {
    const [outcomes, counts] = this.lineKeys(batchId);
    const replies = await this.redis
      .multi()
      .del(outcomes, counts)
      .hset(counts, 'closed', 1)
      .expire(counts, CLOSED_SECONDS)
      .exec();
    for (const [error] of replies ?? []) if (error !== null) throw error;
  }

  private lineKeys(batchId: string): [outcomes: string, counts: string] {
    return [this.keys.lineOutcomes(batchId), this.keys.lineCounts(batchId)];
  }
}
