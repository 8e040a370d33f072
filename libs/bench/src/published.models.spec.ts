import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { publishedFigures, publishedTable } from './published.models.js';
import { publishedModels } from './published.shapes.js';

const PAGE = fileURLToPath(new URL('../../../docs/models.md', import.meta.url));

/** What the hub says the checkpoints hold, in billions of parameters. */
const PUBLISHED: Readonly<Record<string, number>> = {
  'Qwen/Qwen3-VL-2B-Instruct': 2.13,
  'Qwen/Qwen3-VL-4B-Instruct': 4.44,
  'Qwen/Qwen3-VL-8B-Instruct': 8.77,
  'Qwen/Qwen3-VL-32B-Instruct': 33.4,
  'Qwen/Qwen2.5-VL-3B-Instruct': 3.75,
  'Qwen/Qwen2.5-VL-7B-Instruct': 8.29,
  'Qwen/Qwen2.5-VL-32B-Instruct': 33.5,
  'Qwen/Qwen2.5-VL-72B-Instruct': 73.4,
  'Qwen/Qwen2-VL-2B-Instruct': 2.21,
  'Qwen/Qwen2-VL-7B-Instruct': 8.29,
  'llava-hf/llava-1.5-7b-hf': 7.06,
  'llava-hf/llava-1.5-13b-hf': 13.4,
  'llava-hf/llava-v1.6-mistral-7b-hf': 7.57,
  'llava-hf/llava-v1.6-vicuna-13b-hf': 13.4,
  'HuggingFaceTB/SmolLM2-135M-Instruct': 0.1345,
  'meta-llama/Llama-3.2-1B-Instruct': 1.24,
  'meta-llama/Llama-3.1-8B-Instruct': 8.03,
  'mistralai/Mistral-7B-Instruct-v0.3': 7.25,
  'Qwen/Qwen2.5-7B-Instruct': 7.62,
  'Qwen/Qwen3-4B': 4.02,
  'Qwen/Qwen3-8B': 8.19,
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
