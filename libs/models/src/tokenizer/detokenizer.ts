import { TextDecoder } from 'node:util';

/**
 * What a token contributes to the text: characters, bytes that go on where the token before ended (byte-level BPE), or one
 * byte of a run that is only text as a whole (byte fallback).
 */
export type TokenPiece =
  | { kind: 'text'; text: string }
  | { kind: 'bytes'; bytes: Uint8Array }
  | { kind: 'fallback'; byte: number };

/**
 * Turns ids into text as they come. Text that was returned is final: bytes of a character that is not complete yet are
 * held back, and so is a run of fallback bytes, because the reference takes a run that is not valid UTF-8 for unknown
 * bytes altogether. All that is returned, joined, is what the reference decodes from all ids at once.
 */
export class Detokenizer {
  private decoder = newDecoder();
  private run: number[] = [];
  private started = false;

  /**
   * @param pieceOf what a token says, or undefined for one that says nothing
   * @param stripped number of spaces dropped from the start of the text
   */
  constructor(
    private readonly pieceOf: (id: number) => TokenPiece | undefined,
    private readonly stripped: number,
  ) {}

  /** @returns the text that has become certain with this token, possibly none */
  push(id: number): string {
    const piece = this.pieceOf(id);
    switch (piece?.kind) {
      case undefined:
        return '';
      case 'bytes':
        return this.emit(this.decoder.decode(piece.bytes, { stream: true }));
      case 'fallback':
        this.run.push(piece.byte);
        return '';
      case 'text':
        return this.emit(this.heldBack() + piece.text);
    }
  }

  /** @returns what was held back, U+FFFD where it is not text. Ready for a new text afterwards. */
  flush(): string {
    const rest = this.emit(this.heldBack());
    this.started = false;
    return rest;
  }

  private heldBack(): string {
    const text = this.decoder.decode() + decodeRun(this.run);
    this.decoder = newDecoder();
    this.run = [];
    return text;
  }

  private emit(text: string): string {
    if (this.started || text === '') return text;
    this.started = true;
    let start = 0;
    while (start < this.stripped && text[start] === ' ') start++;
    return text.slice(start);
  }
}

function newDecoder(): TextDecoder {
  return new TextDecoder('utf-8', { ignoreBOM: true });
}

function decodeRun(run: readonly number[]): string {
  if (run.length === 0) return '';
  const text = newDecoder().decode(Uint8Array.from(run));
  // U+FFFD itself is EF BF BD: only a run that does not encode back is not text.
  const valid = Buffer.compare(Buffer.from(text, 'utf8'), Uint8Array.from(run)) === 0;
  return valid ? text : '\uFFFD'.repeat(run.length);
}
