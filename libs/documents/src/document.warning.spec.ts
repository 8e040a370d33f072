import { expect, it } from 'vitest';
import { pageWarnings, type PageWarningCode } from './document.warning.js';

const page = (number: number, ...warnings: PageWarningCode[]) => ({ page: number, warnings });

it('names the pages of each warning once', () => {
  const pages = [
    page(1),
    page(2, 'text_not_drawn'),
    page(4, 'text_not_drawn', 'image_not_drawn'),
    page(5, 'text_not_drawn'),
  ];
  expect(pageWarnings(pages).map(({ code, message }) => [code, message.split(':', 1)[0]])).toEqual([
    ['text_not_drawn', 'pages 2, 4-5'],
    ['image_not_drawn', 'page 4'],
  ]);
});

it('counts what would be too many to name', () => {
  const odd = Array.from({ length: 20 }, (_, index) => page(2 * index + 1, 'blank_page'));
  expect(pageWarnings(odd)[0].message).toMatch(/^pages 1, 3, 5, 7, 9, 11, 13, 15 and 12 more: nothing was read/);
});
