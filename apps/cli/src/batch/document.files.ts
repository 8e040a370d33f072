import { closeSync, existsSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import { fileProblem } from '@madakv/requests';
import { UsageError } from '../exit.codes.js';

const EXTENSIONS = ['.pdf', '.png', '.jpg', '.jpeg', '.webp', '.gif', '.tif', '.tiff'];
const HEAD_BYTES = 1_024;

/** What operating systems and office programs put beside documents. */
const SYSTEM_FILES =
  /^(\._.*|\.DS_Store|\.localized|Thumbs\.db|ehthumbs\.db|desktop\.ini|Icon\r?|~\$.*|\.~lock\..*#)$/i;
const SYSTEM_FOLDERS = /(^|[\\/])(__MACOSX|\.AppleDouble|\.Trashes|\.Spotlight-V100)[\\/]/i;

/** A file that is no document of anybody: AppleDouble, thumbnails, a lock. @param path with / or \ */
export function isSystemFile(path: string): boolean {
  return SYSTEM_FOLDERS.test(path) || SYSTEM_FILES.test(path.split(/[\\/]/).at(-1) ?? '');
}

/**
 * Whether a file is a PDF or an image, by its name or its first bytes; what the server makes of it is its to say.
 * @throws UsageError when it cannot be read
 */
export function isDocument(path: string, name: string): boolean {
  return EXTENSIONS.includes(extname(path).toLowerCase()) || isDocumentHead(headOf(path, name));
}

export interface FolderFiles {
  /** Documents, relative to the folder, in the order of their names. */
  readonly documents: readonly string[];
  /** What else lies there and is not hidden. */
  readonly others: readonly string[];
}

/** All documents of a folder and of the folders in it. Hidden and system files are passed over. */
export function filesIn(folder: string): FolderFiles {
  const [documents, others]: [string[], string[]] = [[], []];
  const visit = (inner: string): void => {
    for (const entry of readdirSync(join(folder, inner), { withFileTypes: true })) {
      const name = inner === '' ? entry.name : `${inner}/${entry.name}`;
      if (entry.name.startsWith('.') || isSystemFile(`${name}${entry.isDirectory() ? '/' : ''}`)) continue;
      if (entry.isDirectory()) visit(name);
      else (isReadableDocument(join(folder, name)) ? documents : others).push(name);
    }
  };
  visit('');
  return { documents: documents.sort(), others: others.sort() };
}

function isReadableDocument(path: string): boolean {
  try {
    return isDocument(path, path);
  } catch {
    return false;
  }
}

export interface FoundDocument {
  readonly path: string;
  /** Why there is nothing to upload, as `code: message`. */
  readonly problem?: string;
}

/**
 * Where a document named in a sheet lies. Names are compared as people see them: composed and decomposed letters are the
 * same, and so are both slashes.
 */
export function findDocument(folder: string, name: string): FoundDocument {
  const path = spelledAs(folder, name);
  if (path === undefined) {
    return { path: join(folder, name), problem: `not_found: ${name}: no such document in ${basename(folder)}` };
  }
  const stats = statSync(path);
  if (stats.isDirectory()) return { path, problem: `invalid_document: ${name}: is a folder, not a document` };
  if (!stats.isFile()) return { path, problem: `invalid_document: ${name}: is not a file` };
  if (stats.size === 0) return { path, problem: `invalid_document: ${name}: the file is empty` };
  return { path };
}

function spelledAs(folder: string, name: string): string | undefined {
  const exact = join(folder, name);
  if (existsSync(exact)) return exact;
  let path = folder;
  for (const part of name.split(/[\\/]/)) {
    if (part === '' || part === '.') continue;
    const next = part === '..' ? part : entryLike(path, part);
    if (next === undefined) return undefined;
    path = join(path, next);
  }
  return existsSync(path) ? path : undefined;
}

function entryLike(folder: string, name: string): string | undefined {
  const wanted = name.normalize('NFC');
  try {
    return readdirSync(folder).find((entry) => entry.normalize('NFC') === wanted);
  } catch {
    return undefined;
  }
}

function isDocumentHead(head: Buffer): boolean {
  const text = head.toString('latin1');
  return (
    text.includes('%PDF-') ||
    text.startsWith('\x89PNG\r\n') ||
    text.startsWith('\xff\xd8\xff') ||
    /^(GIF8|II[*+]\0|MM\0[*+])/.test(text) ||
    (text.startsWith('RIFF') && text.slice(8, 12) === 'WEBP')
  );
}

function headOf(path: string, name: string): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  try {
    const file = openSync(path, 'r');
    try {
      return head.subarray(0, readSync(file, head));
    } finally {
      closeSync(file);
    }
  } catch (cause) {
    throw new UsageError(`${name}: ${fileProblem(cause)}`, { cause });
  }
}
