/** A place in a file: the byte, and the line (from 1) that begins there. */
export interface FilePosition {
  readonly byte: number;
  readonly line: number;
}

/** A line that is not blank. */
export interface FileLine {
  /** Counted from 1; blank lines count. */
  readonly line: number;
  /** Where its content lies in the file, in bytes, without the line's end. */
  readonly start: number;
  readonly length: number;
  /** Undefined when it is longer than the limit. */
  readonly content: Buffer | undefined;
  /** Where the next line begins. */
  readonly next: FilePosition;
}

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/**
 * Lines of a file that ends them by LF or CRLF, in the memory of one line. Blank lines, and a byte order mark at the
 * file's start, are passed over.
 * @param pieces the file's content from `from` on
 */
export async function* scanLines(
  pieces: AsyncIterable<Uint8Array>,
  from: FilePosition,
  maxLineBytes: number,
): AsyncGenerator<FileLine, void, undefined> {
  const open = new OpenLine(from, maxLineBytes);
  for await (const piece of pieces) {
    let done = 0;
    for (let end = piece.indexOf(LINE_FEED); end >= 0; end = piece.indexOf(LINE_FEED, done)) {
      open.add(piece.subarray(done, end));
      done = end + 1;
      const line = open.end(1);
      if (line !== undefined) yield line;
    }
    open.add(piece.subarray(done));
  }
  const last = open.end(0);
  if (last !== undefined) yield last;
}

/** The line whose end has not come yet. */
class OpenLine {
  private parts: Uint8Array[] = [];
  private length = 0;
  private tooLong = false;

  constructor(
    private position: FilePosition,
    private readonly maxLineBytes: number,
  ) {}

  add(part: Uint8Array): void {
    this.length += part.length;
    // A carriage return may still belong to the line's end.
    if (this.length > this.maxLineBytes + BYTE_ORDER_MARK.length + 1) {
      this.tooLong = true;
      this.parts = [];
    } else if (part.length > 0) this.parts.push(part);
  }

  /** @param terminator bytes of the line feed: 0 at the end of the file */
  end(terminator: number): FileLine | undefined {
    const { byte, line } = this.position;
    const next = { byte: byte + this.length + terminator, line: line + 1 };
    const { parts, length, tooLong } = this;
    this.position = next;
    this.parts = [];
    this.length = 0;
    this.tooLong = false;
    if (tooLong) return { line, start: byte, length, content: undefined, next };
    const raw = parts.length === 1 ? asBuffer(parts[0]) : Buffer.concat(parts);
    const skipped = byte === 0 && raw.subarray(0, 3).equals(BYTE_ORDER_MARK) ? BYTE_ORDER_MARK.length : 0;
    const end = raw[raw.length - 1] === CARRIAGE_RETURN ? raw.length - 1 : raw.length;
    const content = raw.subarray(skipped, end);
    if (isBlank(content)) return undefined;
    const fits = content.length <= this.maxLineBytes;
    return { line, start: byte + skipped, length: content.length, content: fits ? content : undefined, next };
  }
}

function asBuffer(part: Uint8Array): Buffer {
  return Buffer.from(part.buffer, part.byteOffset, part.byteLength);
}

function isBlank(content: Buffer): boolean {
  return content.every((byte) => byte === 0x20 || byte === 0x09 || byte === CARRIAGE_RETURN);
}
