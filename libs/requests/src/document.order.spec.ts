import { expect, it } from 'vitest';
import { inReadingOrder, messagesInReadingOrder } from './document.order.js';

const parts = (letters: string) =>
  Array.from(letters, (letter, index) => ({ type: letter === 't' ? 'text' : 'file', index }));
const order = (letters: string, how?: 'auto' | 'as_given'): string =>
  inReadingOrder(parts(letters), how)
    .map(({ index }) => index)
    .join('');

it.each([
  ['td', '10'],
  ['tdd', '120'],
  ['ttdd', '2301'],
  ['dt', '01'],
  ['tdt', '012'],
  ['dtd', '012'],
  ['tdtd', '0123'],
  ['t', '0'],
  ['d', '0'],
  ['', ''],
])('%s is read as %s', (letters, expected) => {
  expect(order(letters)).toBe(expected);
});

it('can be told to leave a message alone', () => {
  expect(order('td', 'as_given')).toBe('01');
});

it('moves documents of messages in front of a question, unless told otherwise', () => {
  const text = { type: 'text' as const, text: 'Total?' };
  const image = { type: 'image_url' as const, image_url: { url: 'page.png' } };
  const messages = [
    { role: 'system', content: 'Be brief.' },
    { role: 'user', content: [text, image] },
  ];
  expect(messagesInReadingOrder({ messages })).toEqual([messages[0], { role: 'user', content: [image, text] }]);
  expect(messagesInReadingOrder({ messages, madakv: { layout: 'as_given' } })).toEqual(messages);
});
