import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findDocument, isSystemFile } from './document.files.js';

describe('isSystemFile', () => {
  it.each([
    '._a.pdf',
    'sub/._a.pdf',
    '.DS_Store',
    'Thumbs.db',
    'thumbs.db',
    'desktop.ini',
    '__MACOSX/a.pdf',
    'x/__MACOSX/._a.pdf',
    '~$report.pdf',
    '.~lock.report.pdf#',
    'sub\\Thumbs.db',
  ])('knows %s', (name) => {
    expect(isSystemFile(name)).toBe(true);
  });

  it.each(['a.pdf', '.hidden.pdf', '_a.pdf', 'MACOSX/a.pdf', '$a.pdf', 'thumbs.pdf', ''])(
    'takes %j for a document',
    (name) => {
      expect(isSystemFile(name)).toBe(false);
    },
  );
});

describe('findDocument', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'madakv-documents-'));
    mkdirSync(join(folder, 'U\u0308bersicht'));
    writeFileSync(join(folder, 'U\u0308bersicht', 're\u0301sume\u0301.pdf'), 'x');
    writeFileSync(join(folder, 'caf\u00e9.pdf'), 'x');
    writeFileSync(join(folder, 'empty.pdf'), '');
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it.each([
    ['caf\u00e9.pdf', 'caf\u00e9.pdf'],
    ['cafe\u0301.pdf', 'caf\u00e9.pdf'],
    ['\u00dcbersicht/r\u00e9sum\u00e9.pdf', 'U\u0308bersicht/re\u0301sume\u0301.pdf'],
    ['\u00dcbersicht\\r\u00e9sum\u00e9.pdf', 'U\u0308bersicht/re\u0301sume\u0301.pdf'],
    ['./caf\u00e9.pdf', 'caf\u00e9.pdf'],
  ])('finds %j', (name, path) => {
    expect(findDocument(folder, name)).toEqual({ path: join(folder, path) });
  });

  it.each([
    ['none.pdf', /^not_found: none\.pdf: no such document in madakv-documents-/],
    ['none/a.pdf', /^not_found: none\/a\.pdf/],
    ['empty.pdf', /^invalid_document: empty\.pdf: the file is empty$/],
    ['\u00dcbersicht', /^invalid_document: .*: is a folder, not a document$/],
  ])('says what is wrong with %j', (name, problem) => {
    expect(findDocument(folder, name).problem).toMatch(problem);
  });
});
