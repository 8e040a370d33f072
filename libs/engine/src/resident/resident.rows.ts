import { KvLedger } from '../kv/kv.ledger.js';
import { firstTokens, sharedTokens, type PromptBeginning } from '../prompt.beginning.js';
import type { KeptBeginning } from './kept.beginning.js';
import { ResidentDraft, type DraftShelf } from './resident.draft.js';
import { beginningBytes, type ResidentEntry } from './resident.entry.js';

export interface ResidentSettings {
  /** Bytes that resident rows may take in all; 0 keeps none. */
  readonly limitBytes: number;
  /** What is shorter is not kept, nor used: it costs little to compute. */
  readonly leastTokens: number;
  /** Told which documents are resident whenever that changes. */
  readonly onDocuments?: (documentKeys: readonly string[]) => void;
}

/** Rows that a prompt begins with. */
export interface ResidentPart {
  readonly entry: ResidentEntry;
  /** Of the entry's tokens those that the prompt begins with. */
  readonly tokens: number;
}

/**
 * Keys and values of what was read last, all layers in full precision, so that a later question computes its own tokens only. They are
 * the prompts' as they came, evicted for nobody. One store belongs to one engine: model, precision and preprocessing are the same
 * for all that is in it.
 *
 * All bytes are counted, those of rows in the making too, and never exceed the limit; what was used longest ago goes first.
 */
export class ResidentRows implements DraftShelf {
  readonly ledger = new KvLedger();
  /** Least recently used first. */
  private readonly entries = new Set<ResidentEntry>();
  private draft: ResidentDraft | undefined;
  private told = '[]';

  constructor(
    readonly layers: number,
    readonly rowBytes: number,
    private readonly settings: ResidentSettings,
  ) {}

  /** Bytes that are allocated now. */
  get bytes(): number {
    return this.ledger.bytes;
  }

  get leastTokens(): number {
    return this.settings.leastTokens;
  }

  /** Whether nothing is resident. */
  get empty(): boolean {
    return this.entries.size === 0;
  }

  /** The entry that has most in common with a prompt's beginning. */
  longest(prompt: PromptBeginning): ResidentPart | undefined {
    let best: ResidentPart | undefined;
    for (const entry of this.entries) {
      const tokens = sharedTokens(prompt, entry.beginning);
      if (tokens > (best?.tokens ?? 0)) best = { entry, tokens };
    }
    return best;
  }

  /** Notes that requests about these documents use an entry. */
  use(entry: ResidentEntry, documentKeys: readonly string[]): void {
    if (!this.entries.delete(entry)) return;
    this.entries.add(entry);
    entry.belongsTo(documentKeys);
    this.tell();
  }

  /** Whether the beginning's rows are more than may be resident at all. */
  exceedsLimit({ axes }: PromptBeginning, tokens: number): boolean {
    return this.bytesOf(axes, tokens) > this.settings.limitBytes;
  }

  /**
   * Begins to keep a prompt's beginning. Entries that are the beginning of it go when it is complete.
   * @returns undefined where it is too short or too long, or what is resident covers most of it
   */
  begin(prompt: PromptBeginning, { tokens, ends }: KeptBeginning): ResidentDraft | undefined {
    if (this.draft !== undefined || tokens < this.leastTokens || this.exceedsLimit(prompt, tokens)) return undefined;
    const known = this.longest(prompt);
    if (known !== undefined) {
      const added = tokens - Math.min(known.tokens, tokens);
      // A question behind a document in the same text would be one more copy of the document.
      const grows = ends === 'document' || known.tokens === known.entry.tokens;
      if (added < Math.max(this.leastTokens, grows ? 0 : tokens / 2)) return undefined;
    }
    if (!this.canMakeRoom(this.bytesOf(prompt.axes, tokens))) return undefined;
    this.makeRoom(beginningBytes(prompt.axes, tokens));
    this.draft = new ResidentDraft(firstTokens(prompt, tokens), this, () => (this.draft = undefined));
    return this.draft;
  }

  makeRoom(bytes: number): boolean {
    if (!this.canMakeRoom(bytes)) return false;
    for (const entry of this.entries) {
      if (this.bytes + bytes <= this.settings.limitBytes) break;
      if (!entry.held) this.remove(entry);
    }
    this.tell();
    return true;
  }

  add(entry: ResidentEntry): void {
    for (const older of this.entries) {
      if (older.held || sharedTokens(older.beginning, entry.beginning) < older.tokens) continue;
      entry.belongsTo([...older.documentKeys, ...entry.documentKeys]);
      this.remove(older);
    }
    this.entries.add(entry);
    this.tell();
  }

  /** Frees all; what is read must have come to its end. */
  close(): void {
    this.draft?.drop();
    for (const entry of this.entries) this.remove(entry);
    this.tell();
  }

  private remove(entry: ResidentEntry): void {
    this.entries.delete(entry);
    entry.free();
  }

  private bytesOf(axes: number, tokens: number): number {
    return tokens * this.layers * this.rowBytes + beginningBytes(axes, tokens);
  }

  private canMakeRoom(bytes: number): boolean {
    let needed = bytes + this.bytes - this.settings.limitBytes;
    for (const entry of this.entries) if (!entry.held) needed -= entry.bytes;
    return needed <= 0;
  }

  private tell(): void {
    const documentKeys = [...new Set([...this.entries].flatMap((entry) => entry.documentKeys))].sort();
    const now = JSON.stringify(documentKeys);
    if (now === this.told) return;
    this.told = now;
    this.settings.onDocuments?.(documentKeys);
  }
}
