import type { ChatMessage, OpenModel } from '@madakv/models';
import { DEFAULTS } from '@madakv/requests';

/** What the workers draw pages at unless MADAKV_PAGE_DPI says otherwise. */
export const PAGE_DPI = 140;

const MM_PER_INCH = 25.4;
/** A4, in pixels. */
const PAGE = { width: pixels(210), height: pixels(297) };

/** What an A4 page takes of a prompt, and what the prompt takes besides. */
export interface PageUse {
  /** Of a page, with what the chat template writes around it. */
  readonly tokens: number;
  readonly positions: number;
  /** Of the turn and a short question. */
  readonly baseTokens: number;
  readonly basePositions: number;
}

/** Asks the model itself: families count an image's positions in different ways. */
export function pageUse(model: Pick<OpenModel, 'layout'>): PageUse {
  const [one, two] = [1, 2].map((pages) => {
    const { inputIds, nextPosition } = model.layout(questionAbout(pages), Array<typeof PAGE>(pages).fill(PAGE));
    return { tokens: inputIds.length, positions: nextPosition };
  });
  const [tokens, positions] = [two.tokens - one.tokens, two.positions - one.positions];
  return { tokens, positions, baseTokens: one.tokens - tokens, basePositions: one.positions - positions };
}

/**
 * How much of a prompt fits, of pages and a question with an answer of the usual length.
 * @param tokensInMemory tokens that the memory holds
 * @returns most tokens and most pages; a prompt of text alone has a token a position
 */
export function pageFit(
  page: PageUse,
  tokensInMemory: number,
  maxPositions: number,
): { readonly tokens: number; readonly pages: number; readonly limited_by: 'memory' | 'positions' } {
  const positions = maxPositions - DEFAULTS.maxTokens;
  const byMemory = wholePages(tokensInMemory - page.baseTokens, page.tokens);
  const byPositions = wholePages(positions - page.basePositions, page.positions);
  const most = Math.max(positions, page.baseTokens + byPositions * page.tokens);
  return {
    tokens: Math.max(0, Math.min(tokensInMemory, most)),
    pages: Math.min(byMemory, byPositions),
    limited_by: byPositions < byMemory ? 'positions' : 'memory',
  };
}

/** The same of text alone, a token a position. */
export function textFit(
  tokensInMemory: number,
  maxPositions: number,
): { readonly tokens: number; readonly limited_by: 'memory' | 'positions' } {
  const most = Math.max(0, maxPositions - DEFAULTS.maxTokens);
  return { tokens: Math.min(tokensInMemory, most), limited_by: most < tokensInMemory ? 'positions' : 'memory' };
}

function wholePages(room: number, each: number): number {
  return Math.max(0, Math.floor(room / each));
}

function questionAbout(pages: number): ChatMessage[] {
  const images = Array.from({ length: pages }, () => ({ type: 'image_url' as const, image_url: { url: '' } }));
  return [{ role: 'user', content: [...images, { type: 'text', text: 'What is the total?' }] }];
}

function pixels(millimetres: number): number {
  return Math.round((millimetres / MM_PER_INCH) * PAGE_DPI);
}
