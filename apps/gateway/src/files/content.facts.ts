/** First bytes that tell a document's type. */
const HEAD_BYTES = 1_024;
const NEWLINE = 0x0a;

/** What is noticed about content while it passes. */
export class ContentFacts {
  /** First bytes, {@link HEAD_BYTES} at most. */
  head: Uint8Array = new Uint8Array(0);
  private newlines = 0;
  private lastByte = NEWLINE;

  /** Lines; a last one without its newline counts. */
  get lines(): number {
    return this.newlines + (this.lastByte === NEWLINE ? 0 : 1);
  }

  /** @param onHead called once, when the head is there or the content has ended; may throw */
  async *pass(source: AsyncIterable<Uint8Array>, onHead: (head: Uint8Array) => void): AsyncGenerator<Uint8Array> {
    let told = false;
    for await (const piece of source) {
      if (this.head.length < HEAD_BYTES) {
        this.head = Buffer.concat([this.head, piece.subarray(0, HEAD_BYTES - this.head.length)]);
      }
      if (!told && this.head.length === HEAD_BYTES) {
        told = true;
        onHead(this.head);
      }
      for (let at = piece.indexOf(NEWLINE); at >= 0; at = piece.indexOf(NEWLINE, at + 1)) this.newlines++;
      if (piece.length > 0) this.lastByte = piece[piece.length - 1];
      yield piece;
    }
    if (!told) onHead(this.head);
  }
}
