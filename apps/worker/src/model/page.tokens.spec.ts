import { ImageError, type ImageLayout } from '@madakv/models';
import { expect, it } from 'vitest';
import { pageTokens } from './page.tokens.js';

/** A token for each 28 x 28 pixels. */
const imageLayout = ({ width, height }: { width: number; height: number }): ImageLayout => {
  const grid = { rows: Math.floor(height / 28), columns: Math.floor(width / 28) };
  return { patchGrid: grid, grid, tokens: grid.rows * grid.columns } as unknown as ImageLayout;
};

it('counts the tokens of a page of A4', () => {
  expect(pageTokens({ takesImages: true, imageLayout }, 140)).toBe(41 * 58);
  expect(pageTokens({ takesImages: true, imageLayout }, 70)).toBe(20 * 29);
});

it('knows none of a model that takes no images, or none of this shape', () => {
  expect(pageTokens({ takesImages: false, imageLayout }, 140)).toBeUndefined();
  const refuses = (): ImageLayout => {
    throw new ImageError('too tall');
  };
  expect(pageTokens({ takesImages: true, imageLayout: refuses }, 140)).toBeUndefined();
});
