import { OutcomeSchema, type BodySource, type Outcome } from '@madakv/contracts';
import type { Redis } from 'ioredis';
import type { RecordKeys } from './record.keys.js';
import { Script } from './script.js';

/** How long the outcome of a chat completion is known, in seconds. */
const CHAT_OUTCOME_SECONDS = 24 * 3600;

/** Writes a line's outcome unless it has one, and counts it. */
const COMMIT_LINE = new Script(`
if redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2]) == 0 then return 0 end
redis.call('HINCRBY', KEYS[2], ARGV[3], 1)
redis.call('HINCRBY', KEYS[2], 'prompt_tokens', ARGV[4])
redis.call('HINCRBY', KEYS[2], 'completion_tokens', ARGV[5])
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

  /** @returns whether this call wrote it */
  async commit({ requestId, source }: RequestRef, outcome: Outcome): Promise<boolean> {
    const text = JSON.stringify(outcome);
    if (source.kind === 'body') {
      return (await this.redis.set(this.keys.outcome(requestId), text, 'EX', CHAT_OUTCOME_SECONDS, 'NX')) === 'OK';
    }
    const { prompt_tokens = 0, completion_tokens = 0 } = outcome.usage ?? {};
    const keys = [this.keys.lineOutcomes(source.batchId), this.keys.lineCounts(source.batchId)];
    const written = await COMMIT_LINE.run(this.redis, keys, [
      source.line,
      text,
      outcome.state,
      prompt_tokens,
      completion_tokens,
    ]);
    return written === 1;
  }

  async find({ requestId, source }: RequestRef): Promise<Outcome | undefined> {
    const text =
      source.kind === 'body'
        ? await this.redis.get(this.keys.outcome(requestId))
        : await this.redis.hget(this.keys.lineOutcomes(source.batchId), String(source.line));
    return text === null ? undefined : OutcomeSchema.parse(JSON.parse(text));
  }

  /** Outcomes of a batch's lines `[first, first + count)`, undefined where a line has none. */
  async ofLines(batchId: string, first: number, count: number): Promise<(Outcome | undefined)[]> {
    if (count === 0) return [];
    const lines = Array.from({ length: count }, (_, i) => String(first + i));
    const texts = await this.redis.hmget(this.keys.lineOutcomes(batchId), ...lines);
    return texts.map((text) => (text === null ? undefined : OutcomeSchema.parse(JSON.parse(text))));
  }

  /** Forgets a batch's outcomes once its files are written. Its counts stay: they are part of the batch. */
  async forgetLines(batchId: string): Promise<void> {
    await this.redis.del(this.keys.lineOutcomes(batchId));
  }
}
