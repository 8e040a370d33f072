import { describe, expect, it } from 'vitest';
import type { ChatMessage } from '@madakv/models';
import { documentKey } from './question.js';

const ask = (question: string, page = 'page.png'): ChatMessage[] => [
  {
    role: 'user',
    content: [
      { type: 'image_url', image_url: { url: page } },
      { type: 'text', text: 'A passage.' },
      { type: 'text', text: question },
    ],
  },
];

describe('documentKey', () => {
  it('is the same for all questions about a document and another for another', () => {
    expect(documentKey(ask('What?'), '1')).toBe(documentKey(ask('Who?'), '2'));
    expect(documentKey(ask('What?'), '1')).not.toBe(documentKey(ask('What?', 'other.png'), '1'));
  });

  it('tells a question about nothing but itself by its id', () => {
    const plain: ChatMessage[] = [{ role: 'user', content: 'Which line?' }];
    expect(documentKey(plain, '1')).toBe(documentKey(plain, '1'));
    expect(documentKey(plain, '1')).not.toBe(documentKey(plain, '2'));
    const instructed: ChatMessage[] = [{ role: 'system', content: 'Be brief.' }, ...plain];
    expect(documentKey(instructed, '1')).not.toBe(documentKey(instructed, '2'));
  });

  it('is another under another instruction', () => {
    const instructed = (text: string): ChatMessage[] => [{ role: 'system', content: text }, ...ask('What?')];
    expect(documentKey(instructed('Be brief.'), '1')).toBe(documentKey(instructed('Be brief.'), '2'));
    expect(documentKey(instructed('Be brief.'), '1')).not.toBe(documentKey(instructed('Be kind.'), '1'));
  });
});
