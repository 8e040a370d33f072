import type { Engine } from '@madakv/engine';
import { Decoder, promptLayout } from '@madakv/engine';
import { createPolicy, questionPositions } from '@madakv/madakv';
import { openModel, type ChatMessage } from '@madakv/models';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { loadEngine, request, temporaryCache } from './engine.fixture.js';
import { READER } from './fixture.reader.js';

type Part = string | null;

/** A message; null stands for a page. */
const turn = (role: string, ...parts: Part[]): ChatMessage => ({
  role,
  content: parts.map((part) =>
    part === null ? { type: 'image_url', image_url: { url: 'page.png' } } : { type: 'text', text: part },
  ),
});
const user = (...parts: Part[]): ChatMessage => turn('user', ...parts);

/** What the template writes behind a user's text; special tokens are one token each, all else is bytes. */
const TAIL = '<|im_end|>\n<|im_start|>assistant\n';
const PASSAGE = 'The harbour was closed in the spring of that year. '.repeat(40);

describe('the window whose attention chooses what stays', () => {
  const model = openModel(READER);
  const windowOf = (messages: ChatMessage[], most: number): string => {
    const pages = messages.flatMap(({ content }) =>
      Array.isArray(content) ? content.filter(({ type }) => type === 'image_url') : [],
    );
    const prompt = model.layout(
      messages,
      pages.map(() => ({ width: 280, height: 280 })),
    );
    const layout = promptLayout(prompt, 1);
    const positions = questionPositions(layout, most);
    for (const at of positions) expect(layout.modalityOf[at]).toBe(0);
    expect(positions.at(-1)).toBe(layout.tokens - 1);
    expect(positions.length).toBeLessThanOrEqual(most);
    return model.tokenizer.decode(
      Array.from(positions, (at) => prompt.inputIds[at]),
      { skipSpecial: false },
    );
  };
  const shapes: readonly [string, ChatMessage[], string][] = [
    ['a page, then the question', [user(null, 'Total?')], `Total?${TAIL}`],
    ['the question, then a page', [user('Total?', null)], `Total?<|vision_start|><|vision_end|>${TAIL}`],
    ['a text alone', [turn('user', 'Total?')], `Total?${TAIL}`],
    ['a passage and the question', [user(PASSAGE, 'Total?')], `Total?${TAIL}`],
    ['texts around pages', [user('First:', null, 'Second:', null, 'Which is newer?')], `Which is newer?${TAIL}`],
    ['a question and how to answer it', [user(null, 'Total?', ' As a number.')], `Total? As a number.${TAIL}`],
    ['a system message', [turn('system', 'Be brief.'), user(null, 'Total?')], `Total?${TAIL}`],
    ['a question in the system message', [turn('system', 'Give the total.'), user(null)], `<|vision_end|>${TAIL}`],
    ['a page and nothing else', [user(null)], `<|vision_end|>${TAIL}`],
    [
      'turns of an assistant in between',
      [user(null, 'Total?'), turn('assistant', '12.50'), user('And the date?')],
      `And the date?${TAIL}`,
    ],
    [
      'a page in a later turn, without a question of its own',
      [user(null, 'Total?'), turn('assistant', '12.50'), user(null)],
      `<|vision_end|>${TAIL}`,
    ],
    [
      'an answer that has begun',
      [user(null, 'Total?'), turn('assistant', 'It is')],
      `Total?<|im_end|>\n<|im_start|>assistant\nIt is${TAIL}`,
    ],
  ];

  it.each(shapes)('of %s', (_, messages, expected) => {
    expect(windowOf(messages, 1000)).toBe(expected);
    const bounded = windowOf(messages, 20);
    expect(expected.endsWith(bounded)).toBe(true);
    expect(bounded.endsWith(TAIL)).toBe(true);
  });

  it('is the end of the text where document and question are one', () => {
    const messages = [user(`${PASSAGE}\n\nWhen was it closed?`)];
    const window = windowOf(messages, 40);
    expect(window.endsWith(`When was it closed?${TAIL}`)).toBe(true);
    expect(window.length).toBeLessThan(100);
  });
});

/** Multiplications and additions, counted where they are made, so that no clock is asked. */
describe('the work of scoring, beside that of the prefill', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await loadEngine(READER, temporaryCache());
  });

  it.each([{ asked: 1 }, { asked: 40 }, { asked: 600 }, { asked: 6000 }])(
    'is a small part with a question of $asked tokens',
    async ({ asked }) => {
      const scoring = vi.spyOn(Decoder.prototype, 'importance');
      try {
        const prompt = await engine.model.prepare([user('x'.repeat(asked))], []);
        await engine.generate(request(prompt, { policy: createPolicy('madakv'), cacheRatio: 0.5, maxTokens: 1 }));
        const { layers, heads, kvHeads, headDim, hiddenSize, intermediateSize } = engine.model.config.decoder;
        const tokens = prompt.inputIds.length;
        expect(tokens).toBeGreaterThanOrEqual(asked);
        let scored = 0;
        for (const [blocks, keys] of scoring.mock.calls) {
          for (const { positions } of blocks) scored += 2 * positions.length * keys.dims[1] * heads * headDim;
        }
        expect(scored).toBeGreaterThan(0);
        const matrices = hiddenSize * headDim * (2 * heads + 2 * kvHeads) + 3 * hiddenSize * intermediateSize;
        const attention = 2 * heads * headDim * tokens;
        expect(scored / (layers * tokens * (2 * matrices + attention))).toBeLessThan(0.03);
      } finally {
        scoring.mockRestore();
      }
    },
  );
});
