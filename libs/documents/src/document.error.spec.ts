import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { DOCUMENT_ERROR_CODES, DocumentError } from './document.error.js';
import { DEFAULT_DOCUMENT_LIMITS, DEFAULT_IMAGE_LIMITS } from './document.limits.js';
import { DOCUMENT_WARNING_CODES } from './document.warning.js';
import { DEFAULT_FETCH_POLICY } from './fetch/fetch.policy.js';
import { formatBytes, formatCount } from './quantity.format.js';

const page = await readFile(new URL('../../../docs/documents.md', import.meta.url), 'utf8');
/** First cell in code, and the second or the last. */
const rows = [...page.matchAll(/^\| `(\w+)` *\| *(.*?) *\|.*?([^|]*?) *\|$/gm)];

describe('docs/documents.md', () => {
  it('lists every error code, in order, and whether to try again', () => {
    const documented = rows
      .filter(([row]) => /\| *(yes|no|both) *\|$/.test(row))
      .map(([, code, , again]) => [code, again.trim()]);
    expect(documented.map(([code]) => code)).toEqual([...DOCUMENT_ERROR_CODES]);
    for (const [code, again] of documented) {
      const { retryable } = new DocumentError(code as (typeof DOCUMENT_ERROR_CODES)[number], '');
      if (again !== 'both') expect([code, retryable]).toEqual([code, again === 'yes']);
    }
  });

  it('lists every warning, in order', () => {
    const section = page.slice(page.indexOf('## Warnings'), page.indexOf('## Limits'));
    const documented = [...section.matchAll(/^\| `(\w+)`/gm)].map(([, code]) => code);
    expect(documented).toEqual([...DOCUMENT_WARNING_CODES]);
  });

  it('states the defaults that are in force', () => {
    const stated = new Map(rows.map(([, name, value]) => [name, value]));
    const limits = { ...DEFAULT_DOCUMENT_LIMITS, ...DEFAULT_IMAGE_LIMITS, ...DEFAULT_FETCH_POLICY };
    for (const [name, value] of Object.entries(limits)) {
      if (typeof value !== 'number') continue;
      const shown = name.endsWith('Bytes') ? formatBytes(value) : formatCount(value);
      expect([name, stated.get(name)]).toEqual([name, shown]);
    }
  });
});
