import type { KvLedger } from '../kv/kv.ledger.js';
import type { LayerRows } from '../kv/kv.memory.js';
import type { PromptBeginning } from '../prompt.beginning.js';

/** Documents that an entry is remembered to belong to at most; of more, the latest. */
const MOST_KEYS = 8;

/** The rows of all layers for what prompts begin with. */
export class ResidentEntry {
  /** Its rows are being read: it must not be freed. */
  private readers = 0;
  /** Oldest first. */
  private readonly keys = new Set<string>();

  constructor(
    readonly beginning: PromptBeginning,
    /** One for each layer. */
    readonly layers: readonly LayerRows[],
    private readonly ledger: KvLedger,
  ) {}

  get tokens(): number {
    return this.beginning.inputIds.length;
  }

  get bytes(): number {
    return this.layers.reduce((sum, { bytes }) => sum + bytes, beginningBytes(this.beginning.axes, this.tokens));
  }

  get documentKeys(): readonly string[] {
    return [...this.keys];
  }

  get held(): boolean {
    return this.readers > 0;
  }

  belongsTo(documentKeys: Iterable<string>): void {
    for (const key of documentKeys) {
      this.keys.delete(key);
      this.keys.add(key);
    }
    for (const oldest of this.keys) {
      if (this.keys.size <= MOST_KEYS) return;
      this.keys.delete(oldest);
    }
  }

  /** Keeps it where it is until the function that is returned is called. */
  hold(): () => void {
    this.readers++;
    let released = false;
    return () => {
      if (!released) this.readers--;
      released = true;
    };
  }

  free(): void {
    if (this.held) throw new Error('resident rows must not be freed while they are read');
    for (const rows of this.layers) rows.free();
    this.ledger.charge(-beginningBytes(this.beginning.axes, this.tokens));
  }
}

/** What ids and positions of a beginning take beside its rows. */
export function beginningBytes(axes: number, tokens: number): number {
  return (1 + axes) * tokens * Int32Array.BYTES_PER_ELEMENT;
}
