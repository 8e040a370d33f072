import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { format } from 'prettier';
import { expect, it } from 'vitest';
import { isMap, isScalar, parseDocument, type Node, type YAMLMap } from 'yaml';
import { CHART } from './tools.js';

const README = join(CHART, 'README.md');
const TABLE = /(<!-- values -->\n)[^]*?(<!-- \/values -->)/;

interface Row {
  readonly path: string;
  readonly fallback: string;
  readonly about: string;
}

/** What `# -- ` says before a key, on as many lines as it takes. */
function aboutOf(comment: string | null | undefined): string {
  const [, text = ''] = /(?:^|\n) -- ([^]*)$/.exec(comment ?? '') ?? [];
  return text.replaceAll('\n', '').trim();
}

/** Rows of a map: of what it holds, or of itself where it is written in one line or has a comment and no commented keys. */
function rowsOf(map: YAMLMap, path: string, before: string | null | undefined): Row[] {
  return map.items.flatMap((pair, i): Row[] => {
    const key = pair.key as Node & { value: string };
    const value = pair.value as Node | null;
    // A comment before the first key belongs to the map in YAML's own tree.
    const about = aboutOf(i === 0 ? (before ?? key.commentBefore) : key.commentBefore);
    const here = path === '' ? key.value : `${path}.${key.value}`;
    if (isMap(value) && value.flow !== true && value.items.length > 0) {
      const inner = rowsOf(value, here, value.commentBefore);
      return about === '' ? inner : [{ path: here, fallback: '', about }, ...inner];
    }
    const text = isScalar(value) ? JSON.stringify(value.value) : JSON.stringify(value?.toJSON());
    return [{ path: here, fallback: text.length > 80 ? 'see values.yaml' : `\`${text}\``, about }];
  });
}

it('README.md has the values as values.yaml explains them (vitest -u writes it)', async () => {
  const document = parseDocument(readFileSync(join(CHART, 'values.yaml'), 'utf8'));
  const rows = rowsOf(document.contents as YAMLMap, '', document.contents?.commentBefore ?? null);
  // A bar would end the cell.
  const lines = rows.map(
    ({ path, fallback, about }) => `| \`${path}\` | ${fallback.replaceAll('|', '\\|')} | ${about} |`,
  );
  const table = ['| Value | Default | Meaning |', '| --- | --- | --- |', ...lines].join('\n');
  const readme = readFileSync(README, 'utf8').replace(
    TABLE,
    (_, begin: string, end: string) => `${begin}\n${table}\n\n${end}`,
  );
  expect(readme).toContain(table);
  await expect(await format(readme, { parser: 'markdown', printWidth: 120 })).toMatchFileSnapshot(README);
  expect(rows.filter(({ path }) => /^(redis|storage|gateway|pools|poolDefaults)/.test(path)).length).toBeGreaterThan(
    60,
  );
});
