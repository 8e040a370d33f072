import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { publishedFigures, publishedModels, publishedTable } from './published.models.js';

const PAGE = fileURLToPath(new URL('../../../docs/models.md', import.meta.url));

/** What the hub says the checkpoints hold, in billions of parameters. */
const PUBLISHED: Readonly<Record<string, number>> = {
  'Qwen/Qwen2.5-VL-3B-Instruct': 3.75,
  'llava-hf/llava-1.5-7b-hf': 7.06,
  'Qwen/Qwen2.5-VL-7B-Instruct': 8.29,
  'llava-hf/llava-1.5-13b-hf': 13.4,
  'Qwen/Qwen2.5-VL-32B-Instruct': 33.5,
  'Qwen/Qwen2.5-VL-72B-Instruct': 73.4,
};

it.each(publishedModels)('$repo has as many parameters as are published', (model) => {
  expect(publishedFigures(model).parameters / 1e9 / PUBLISHED[model.repo]).toBeCloseTo(1, 2);
});

it('docs/models.md has the table that follows from the shapes', () => {
  const [, table = ''] = /<!-- checkpoints -->\n([^]*?)<!-- \/checkpoints -->/.exec(readFileSync(PAGE, 'utf8')) ?? [];
  // The formatter pads columns.
  const plain = (text: string): string => text.trim().replaceAll(/ +/g, ' ').replaceAll(/-+/g, '-');
  expect(plain(table)).toBe(plain(publishedTable()));
});
