import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { documentKey } from './document.key.js';

const content = Buffer.from('%PDF-1.7 a document');
const base64 = content.toString('base64');
const sha256 = createHash('sha256').update(content).digest('hex');
const digestOf = (id: string) => Promise.resolve(id === 'file-a' ? sha256 : undefined);
const text = (value: string) => ({ type: 'text', text: value });
const file = (source: Record<string, unknown>) => ({ type: 'file', file: source });
const image = (url: string) => ({ type: 'image_url', image_url: { url } });
const ask = (...parts: unknown[]) => ({ model: 'm', messages: [{ role: 'user', content: parts }] });
const keyOf = (body: Record<string, unknown>) => documentKey(body, digestOf);

describe('documentKey', () => {
  it('is the same for one content, however it is given, and whatever is asked about it', async () => {
    const key = await keyOf(ask(file({ file_id: 'file-a' }), text('One?')));
    expect(key).toMatch(/^[\w-]{22}$/);
    for (const source of [
      file({ file_data: base64, filename: 'a.pdf' }),
      file({ file_data: `data:application/pdf;base64,${base64}` }),
      image(`data:image/png;base64,${base64}`),
    ]) {
      expect(await keyOf(ask(source, text('Two?')))).toBe(key);
      expect(await keyOf(ask(text('Asked first?'), source))).toBe(key);
    }
  });

  it('differs with the content, the order of documents, the pages chosen, the model, and what stands before', async () => {
    const [a, b] = [image('https://example.com/a.png'), file({ file_url: 'https://example.com/b.pdf' })];
    const system = { role: 'system', content: 'Answer in French.' };
    const base = ask(a, b, text('One?'));
    const bodies = [
      base,
      ask(b, a, text('One?')),
      ask(a, text('One?')),
      ask(file({ file_id: 'file-unknown' }), text('One?')),
      ask(file({ file_id: 'file-a' }), text('One?')),
      { ...base, model: 'n' },
      { ...base, madakv: { pages: '1-3' } },
      { ...base, messages: [system, ...base.messages] },
    ];
    expect(new Set(await Promise.all(bodies.map(keyOf))).size).toBe(bodies.length);
    expect(await keyOf(ask(a, b, text('Two?')))).toBe(await keyOf(base));
  });

  it('names a passage by how it begins, where the prompt is not much longer than a question', async () => {
    const passage = 'All work and no play. '.repeat(100);
    const key = await keyOf(ask(text(`${passage} Who works?`)));
    expect(key).toBeDefined();
    expect(await keyOf(ask(text(`${passage} Who plays?`)))).toBe(key);
    expect(await keyOf(ask(text(`Or: ${passage} Who plays?`)))).not.toBe(key);
    expect(await keyOf(ask(text('Who works?')))).toBeUndefined();
  });

  it.each([
    [{}],
    [{ model: 3, messages: 'none' }],
    [
      {
        messages: [
          null,
          4,
          { role: 'user' },
          { content: [null, { type: 'file' }, { type: 'image_url', image_url: 7 }] },
        ],
      },
    ],
    [{ model: 'm', messages: [{ content: [file({ file_data: 'data:;base64,\u0000%%%' })] }], madakv: 'x' }],
  ])('takes a body as it comes: %j', async (body) => {
    await expect(keyOf(body)).resolves.not.toThrow();
  });
});
