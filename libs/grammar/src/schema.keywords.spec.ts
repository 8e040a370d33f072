import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { KEYWORDS, type Keyword } from './schema.keywords.js';
import { SCHEMA_LIMITS } from './schema.limits.js';

const page = readFileSync(new URL('../../../docs/api.md', import.meta.url), 'utf8');

/** The formatter pads columns and escapes what has a meaning. */
const plain = (text: string): string => text.trim().replaceAll(/ +/g, ' ').replaceAll(/-+/g, '-').replaceAll('\\', '');

it('docs/api.md has every keyword, and what is particular about it', () => {
  const all: [string, Keyword][] = Object.entries(KEYWORDS);
  const rows = all
    .filter(([, { annotation }]) => annotation !== true)
    .map(([name, { note = '' }]) => `| \`${name}\` | ${note} |`);
  const ignored = all.flatMap(([name, { annotation }]) => (annotation === true ? [`\`${name}\``] : []));
  const table = ['| Keyword | |', '| - | - |', ...rows, `| ${ignored.join(', ')} | Ignored |`].join('\n');
  expect(plain(/<!-- schema -->\n([^]*?)<!-- \/schema -->/.exec(page)?.[1] ?? '')).toBe(plain(table));
});

it('docs/api.md has every limit', () => {
  for (const limit of Object.values(SCHEMA_LIMITS)) expect(page).toContain(limit.toLocaleString('en'));
});
