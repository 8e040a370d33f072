import type { TokenVocabulary } from './token.vocabulary.js';
import { UTF8_STATES, utf8After, type Utf8State } from './utf8.states.js';

/**
 * Which tokens go on with UTF-8 in which state: a bit a token. xgrammar's classes of characters take any byte from 80 to BF for
 * the rest of a letter, and the first bytes C0, C1 and F5 to F7, which begin none.
 */
export class Utf8Masks {
  private readonly masks: ReadonlyMap<Utf8State, Int32Array>;

  constructor(private readonly vocabulary: TokenVocabulary) {
    const words = Math.ceil(vocabulary.size / 32);
    this.masks = new Map(UTF8_STATES.map((state) => [state, new Int32Array(words)]));
    const endIds = new Set(vocabulary.endIds);
    for (let id = 0; id < vocabulary.size; id++) {
      const bytes = vocabulary.bytes(id);
      for (const [state, mask] of this.masks) {
        const fits = endIds.has(id) ? state === 'start' : utf8After(state, bytes) !== undefined;
        if (fits) mask[id >>> 5] |= 1 << (id & 31);
      }
    }
  }

  /** Takes out of `mask` what is no UTF-8 after `state`. */
  narrow(mask: Int32Array, state: Utf8State): void {
    const allowed = this.masks.get(state);
    if (allowed !== undefined) for (let i = 0; i < mask.length; i++) mask[i] &= allowed[i];
  }

  after(state: Utf8State, id: number): Utf8State {
    return utf8After(state, this.vocabulary.bytes(id)) ?? state;
  }
}
