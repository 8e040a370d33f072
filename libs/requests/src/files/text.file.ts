import { isUtf8 } from 'node:buffer';
import { readFile } from 'node:fs/promises';
import { InputFileError } from './input.file.error.js';

const NEWLINE = 0x0a;

/** Says why a file could not be read. */
export function fileProblem(error: unknown): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'ENOENT':
      return 'no such file';
    case 'EISDIR':
      return 'is a folder, not a file';
    case 'EACCES':
      return 'may not be read';
    default:
      return (error as Error).message;
  }
}

/** @throws InputFileError when the file cannot be read */
export async function readBytes(file: string, name: string): Promise<Buffer> {
  return readFile(file).catch((cause: unknown) => {
    throw new InputFileError(`${name}: ${fileProblem(cause)}`, { cause });
  });
}

/** @throws InputFileError when the file cannot be read or is not UTF-8 */
export async function readText(file: string, name: string): Promise<string> {
  return utf8Text(await readBytes(file, name), name);
}

/**
 * The text that the bytes spell, without a byte order mark. Nothing is replaced: what a model is asked is what was written.
 * @throws InputFileError naming the first line that is not UTF-8
 */
export function utf8Text(content: Buffer, name: string): string {
  requireNoUtf16(content, name);
  const bytes = withoutMark(content);
  if (isUtf8(bytes)) return bytes.toString('utf8');
  const line = linesOf(bytes).findIndex((each) => !isUtf8(each)) + 1;
  throw new InputFileError(`${name}: line ${line} is not UTF-8; save the file as UTF-8`);
}

/** @throws InputFileError for a file with the byte order mark of UTF-16, as some editors and shells write it */
export function requireNoUtf16(content: Buffer, name: string): void {
  const [first, second] = content;
  if ((first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff)) {
    throw new InputFileError(`${name}: is UTF-16; save the file as UTF-8`);
  }
}

/** The bytes behind a byte order mark of UTF-8. */
export function withoutMark(content: Buffer): Buffer {
  return content[0] === 0xef && content[1] === 0xbb && content[2] === 0xbf ? content.subarray(3) : content;
}

/** Lines of bytes, without their newlines; an end of line of Windows keeps its first half. */
export function linesOf(content: Buffer): Buffer[] {
  const lines: Buffer[] = [];
  let start = 0;
  for (let end = content.indexOf(NEWLINE); end >= 0; end = content.indexOf(NEWLINE, start)) {
    lines.push(content.subarray(start, end));
    start = end + 1;
  }
  lines.push(content.subarray(start));
  return lines;
}
