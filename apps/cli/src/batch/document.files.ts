import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';

/** What operating systems and office programs put beside documents. */
const SYSTEM_FILES =
  /^(\._.*|\.DS_Store|\.localized|Thumbs\.db|ehthumbs\.db|desktop\.ini|Icon\r?|~\$.*|\.~lock\..*#)$/i;
const SYSTEM_FOLDERS = /(^|[\\/])(__MACOSX|\.AppleDouble|\.Trashes|\.Spotlight-V100)[\\/]/i;

/** A file that is no document of anybody: AppleDouble, thumbnails, a lock. @param path with / or \ */
export function isSystemFile(path: string): boolean {
  return SYSTEM_FOLDERS.test(path) || SYSTEM_FILES.test(path.split(/[\\/]/).at(-1) ?? '');
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
