import { expect, it } from 'vitest';
import { chatMessages } from './chat.messages.js';

it('gives text alone as a string, and images as parts in their order', () => {
  const text = (words: string) => ({ type: 'text' as const, text: words });
  const image = (index: number) => ({ type: 'image' as const, index });
  const { messages, images } = chatMessages(
    [
      { role: 'system', content: [text('Be short.')] },
      { role: 'user', content: [image(1), text('and'), image(0), image(1)] },
      { role: 'assistant', content: [] },
      { role: 'user', content: [image(0)] },
    ],
    2,
  );
  expect(images).toEqual([1, 0, 1, 0]);
  expect(messages.map(({ role }) => role)).toEqual(['system', 'user', 'assistant', 'user']);
  expect(messages[0].content).toBe('Be short.');
  expect(messages[1].content).toEqual([
    expect.objectContaining({ type: 'image_url' }),
    text('and'),
    expect.objectContaining({ type: 'image_url' }),
    expect.objectContaining({ type: 'image_url' }),
  ]);
  expect(messages[2].content).toBe('');
  expect(messages[3].content).toHaveLength(1);
});

it('refuses an image that the request does not have', () => {
  expect(() => chatMessages([{ role: 'user', content: [{ type: 'image', index: 1 }] }], 1)).toThrow('image 1 of 1');
});
