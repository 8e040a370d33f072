import type { GrammarMatcher } from '@mlc-ai/web-xgrammar';
import type { Utf8Masks } from './utf8.masks.js';
import type { Utf8State } from './utf8.states.js';

/** The model's vocabulary has no token for what has to come next. */
export class UnspeakableError extends Error {
  override readonly name = 'UnspeakableError';

  constructor() {
    super('the answer cannot go on: the model has no token for what the format asks for');
  }
}

/** One answer on its way through a grammar. */
export class GrammarConstraint {
  private allowed: Int32Array = new Int32Array(0);
  private state: Utf8State = 'start';
  private ended_ = false;

  private constructor(
    private readonly matcher: GrammarMatcher,
    private readonly utf8: Utf8Masks,
    private readonly endIds: readonly number[],
  ) {}

  /** @throws UnspeakableError */
  static async begin(matcher: GrammarMatcher, utf8: Utf8Masks, endIds: readonly number[]): Promise<GrammarConstraint> {
    const constraint = new GrammarConstraint(matcher, utf8, endIds);
    try {
      await constraint.look();
    } catch (error) {
      constraint.free();
      throw error;
    }
    return constraint;
  }

  /** The answer is complete, and nothing may follow. */
  get ended(): boolean {
    return this.ended_;
  }

  /** Sets the logits of what may not come next to -Infinity. @param logits `[vocab]` */
  mask(logits: Float32Array): void {
    const { allowed } = this;
    for (let word = 0; word < allowed.length; word++) {
      const bits = allowed[word];
      if (bits === -1) continue;
      const start = word * 32;
      const end = Math.min(start + 32, logits.length);
      if (bits === 0) logits.fill(-Infinity, start, end);
      else for (let id = start; id < end; id++) if (((bits >>> (id - start)) & 1) === 0) logits[id] = -Infinity;
    }
  }

  /**
   * Goes on with a token that the mask allowed and that is no end; resolves when it is known what may follow.
   * @throws UnspeakableError
   */
  async accept(id: number): Promise<void> {
    if (!this.matcher.acceptToken(id))
      throw new Error(`the grammar does not take the token ${id}, which its mask allowed`);
    this.state = this.utf8.after(this.state, id);
    await this.look();
  }

  free(): void {
    this.matcher.dispose();
  }

  private async look(): Promise<void> {
    this.allowed = await this.matcher.getNextTokenBitmask();
    this.utf8.narrow(this.allowed, this.state);
    const tokens = countBits(this.allowed);
    if (tokens === 0) throw new UnspeakableError();
    const ends = this.endIds.filter((id) => ((this.allowed[id >>> 5] >>> (id & 31)) & 1) === 1).length;
    this.ended_ = tokens === ends;
  }
}

function countBits(words: Int32Array): number {
  let count = 0;
  for (const word of words) {
    let bits = word - ((word >>> 1) & 0x55555555);
    bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333);
    count += (((bits + (bits >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24;
  }
  return count;
}
