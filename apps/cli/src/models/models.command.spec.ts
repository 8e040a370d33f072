import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openModel } from '@madakv/models';
import { checkLength } from '@madakv/requests';
import { describe, expect, it } from 'vitest';
import { captureRun } from '../captured.run.js';
import type { ModelFigures } from './model.figures.js';

const FIXTURES = fileURLToPath(new URL('../../../../test/conformance/fixtures', import.meta.url));
const inspect = (name: string, ...args: string[]) =>
  captureRun(['models', 'inspect', join(FIXTURES, name, 'checkpoint'), ...args]);

describe('models inspect', () => {
  it('tells what a checkpoint is and how much fits', async () => {
    const { code, stdout, stderr } = await inspect('qwen-plain', '--json', '--memory', '1MiB', '--memory', '100KiB');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const figures = JSON.parse(stdout) as ModelFigures;
    expect(figures).toMatchObject({
      family: 'qwen2_5_vl',
      layers: 2,
      heads: 4,
      kv_heads: 2,
      head_dim: 16,
      vocab_size: 416,
      max_positions: 4096,
      kv_bytes_per_token: 2 * 2 * 2 * 16 * 4,
    });
    const embedding = 416 * 64;
    expect(figures.stored.bytes).toBe(figures.parameters.total * 4);
    expect(figures.weight_bytes['fp32']).toBe((figures.parameters.total - embedding) * 4);
    const weights = figures.weight_bytes['4 bit'];
    const room = 2 ** 20 - weights;
    const layer = 2 * 2 * 16 * 4;
    expect(figures.fits.find((fit) => fit.precision === '4 bit' && fit.ratio === 0.2)).toMatchObject({
      tokens: Math.floor(room / (layer * (1 + 0.2 * 2))),
      limited_by: 'memory',
    });
    expect(figures.fits.filter((fit) => fit.memory_bytes === 100 * 1024)).toSatisfy((fits: typeof figures.fits) =>
      fits.every((fit) => fit.tokens === 0 && fit.limited_by === 'weights'),
    );
  });

  it('knows that a tied embedding matrix is in memory as the head', async () => {
    const { stdout } = await inspect('qwen-flat-tied', '--json');
    const figures = JSON.parse(stdout) as ModelFigures;
    expect(figures.tied_embeddings).toBe(true);
    expect(figures.weight_bytes['fp32']).toBe(figures.parameters.total * 4);
  });

  it('prints a table, with a mark where the model itself is the limit', async () => {
    const { code, stdout } = await inspect('llava-plain');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^family +llava$/m);
    expect(stdout).toMatch(/^4\.00 GiB +20 % +3,840\* \(224\)/m);
    expect(stdout).toMatch(/^24\.0 GiB +100 %/m);
    expect(stdout).toContain('* limited by the positions that the model has');
    expect((await inspect('llava-plain', '--memory', '300KiB')).stdout).toMatch(/^300 KiB +20 % +- +\d+ \(\d+\)/m);
  });

  it.each(['qwen-plain', 'llava-plain'])('counts as many pages as the model %s takes, and not one more', async (name) => {
    const { stdout } = await inspect(name, '--json', '--memory', '64GiB');
    const { fits, max_positions } = JSON.parse(stdout) as ModelFigures;
    const { pages, tokens, limited_by } = fits[0];
    if (pages === null) throw new Error('the model takes no pages');
    expect(limited_by).toBe('positions');
    const model = openModel(join(FIXTURES, name, 'checkpoint'));
    const prompt = (count: number) => {
      const images = Array.from({ length: count }, () => ({ type: 'image_url' as const, image_url: { url: '' } }));
      return model.layout(
        [{ role: 'user', content: [...images, { type: 'text', text: 'What is the total?' }] }],
        images.map(() => ({ width: 1157, height: 1637 })),
      );
    };
    const check = (count: number) => (): void => {
      checkLength(prompt(count), 256, max_positions);
    };
    expect(check(pages)).not.toThrow();
    expect(check(pages + 1)).toThrow('too many tokens');
    expect(tokens).toBeGreaterThanOrEqual(prompt(pages).inputIds.length);
  });

  it('counts no pages of a model that reads text alone', async () => {
    const { code, stdout } = await inspect('qwen3-plain');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^family +qwen3$/m);
    expect(stdout).toMatch(/vision 0\)$/m);
    expect(stdout).toMatch(/^page +none: the model reads text alone$/m);
    expect(stdout).toMatch(/^8\.00 GiB +20 % +3,840\* +3,840\*/m);
    const figures = JSON.parse((await inspect('qwen3-plain', '--json')).stdout) as ModelFigures;
    expect(figures).toMatchObject({ tokens_per_page: null, positions_per_page: null });
    expect(figures.fits[0]).toMatchObject({ tokens: 3840, pages: null, limited_by: 'positions' });
  });

  it('says what is wrong with folder and memory', async () => {
    expect(await inspect('none')).toMatchObject({ code: 1, stderr: expect.stringContaining('no such folder') as string });
    expect(await inspect('llava-plain', '--memory', 'much')).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^madakv: .*It must be a size such as 8GiB or 500MB\.\n$/) as string,
    });
  });
});
