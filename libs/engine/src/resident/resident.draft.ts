import type { KvLedger } from '../kv/kv.ledger.js';
import type { LayerRows, PromptBuffer } from '../kv/kv.memory.js';
import type { PromptBeginning } from '../prompt.beginning.js';
import { beginningBytes, ResidentEntry } from './resident.entry.js';

/** What a draft needs of the rows that are resident. */
export interface DraftShelf {
  /** Bytes of all that is resident or becomes it. */
  readonly ledger: KvLedger;
  readonly layers: number;
  /** Of one token in one layer. */
  readonly rowBytes: number;
  /** Frees what was used longest ago until there is room for so many bytes. @returns whether there is */
  makeRoom(bytes: number): boolean;
  add(entry: ResidentEntry): void;
}

/**
 * Resident rows in the making: a copy of each layer while it is in full. Nobody sees them before all layers are there. Where room
 * cannot be had it is given up, and the prefill goes on without.
 */
export class ResidentDraft {
  private readonly rows: LayerRows[] = [];
  private ended = false;

  constructor(
    private readonly beginning: PromptBeginning,
    private readonly shelf: DraftShelf,
    /** Told as soon as it has ended, however it did. */
    private readonly onEnd: () => void,
  ) {
    shelf.ledger.charge(this.idBytes);
  }

  /** Copies the layer's first rows; layers come in order. */
  take(buffer: PromptBuffer): void {
    if (this.ended) return;
    const { ledger, rowBytes } = this.shelf;
    const tokens = this.beginning.inputIds.length;
    if (!this.shelf.makeRoom(tokens * rowBytes)) {
      this.drop();
      return;
    }
    try {
      this.rows.push(buffer.copyRows(tokens, ledger));
    } catch (error) {
      this.drop();
      // The machine has less memory than was given for this. A document that is not kept is no reason to fail its question.
      if (!(error instanceof RangeError)) throw error;
    }
  }

  /** Makes the rows resident, unless they were given up. */
  complete(documentKeys: readonly string[]): void {
    if (this.ended) return;
    if (this.rows.length !== this.shelf.layers) throw new Error('resident rows without all of their layers');
    this.ended = true;
    this.onEnd();
    const entry = new ResidentEntry(this.beginning, this.rows, this.shelf.ledger);
    entry.belongsTo(documentKeys);
    this.shelf.add(entry);
  }

  /** Frees what was copied. After the end it does nothing. */
  drop(): void {
    if (this.ended) return;
    this.ended = true;
    for (const rows of this.rows) rows.free();
    this.shelf.ledger.charge(-this.idBytes);
    this.onEnd();
  }

  private get idBytes(): number {
    return beginningBytes(this.beginning.axes, this.beginning.inputIds.length);
  }
}
