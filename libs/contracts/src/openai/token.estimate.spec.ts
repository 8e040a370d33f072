import { describe, expect, it } from 'vitest';
import { estimateTokens, type UploadFacts } from './token.estimate.js';

const UPLOADS: Readonly<Record<string, UploadFacts>> = {
  'file-report': { bytes: 250_000, filename: 'report.PDF' },
  'file-book': { bytes: 900_000_000, filename: 'book.pdf' },
  'file-nameless': { bytes: 250_000, filename: 'upload' },
  'file-fax': { bytes: 400_000, filename: 'fax.TIF' },
  'file-photo': { bytes: 5_000_000, filename: 'photo.jpg' },
};
const context = { uploadOf: (id: string) => Promise.resolve(UPLOADS[id]) };

const of = (content: unknown, rest: object = {}): Promise<number> =>
  estimateTokens({ model: 'm', messages: [{ role: 'user', content }], ...rest }, context);
const file = (fields: object): object => ({ type: 'file', file: fields });

describe('estimateTokens', () => {
  it('takes four bytes of text for a token, and the longest answer, 256 by default', async () => {
    expect(await of('x'.repeat(400))).toBe(100 + 256);
    expect(await of('€uro')).toBe(2 + 256);
    expect(await of([{ type: 'text', text: 'x'.repeat(9) }], { max_tokens: 10 })).toBe(3 + 10);
    expect(await of('', { max_tokens: 10, max_completion_tokens: 7 })).toBe(7);
    expect(await of('', { max_completion_tokens: null, max_tokens: 10 })).toBe(10);
  });

  it.each([
    ['an image', { type: 'image_url', image_url: { url: 'https://x.example/a.png' } }, 1],
    ['what lies behind a URL', file({ file_url: 'https://x.example/a.pdf' }), 1],
    ['an uploaded PDF, by its bytes', file({ file_id: 'file-report' }), 3],
    ['a large one, which may be pictures', file({ file_id: 'file-book' }), 100],
    ['an uploaded image', file({ file_id: 'file-photo' }), 1],
    ['an upload whose name says nothing', file({ file_id: 'file-nameless' }), 3],
    ['a TIFF, which may have pages', file({ file_id: 'file-fax' }), 4],
    ['an upload that is not there', file({ file_id: 'file-none' }), 1],
    ['a PDF in base64', file({ file_data: Buffer.from(`%PDF-1.7${'x'.repeat(150_000)}`).toString('base64') }), 2],
    [
      'a PDF as a data URL',
      file({ file_data: `data:application/pdf;base64,${Buffer.from('%PDF-1.7').toString('base64')}` }),
      1,
    ],
    [
      'a PDF after a blank line',
      file({ file_data: Buffer.from(`\n%PDF-1.7${'x'.repeat(150_000)}`).toString('base64') }),
      2,
    ],
    ['a TIFF in base64', file({ file_data: Buffer.from(`II*\0${'x'.repeat(150_000)}`).toString('base64') }), 2],
    ...['\x89PNG\r\n\x1A\n\0\0\0\rIHDR', '\xFF\xD8\xFF\xE0', 'GIF89a', 'RIFF'].map((head): [string, object, number] => [
      `an image that begins with ${JSON.stringify(head)}`,
      file({ file_data: Buffer.from(`${head}${'x'.repeat(150_000)}`, 'latin1').toString('base64') }),
      1,
    ]),
    ['an image as a file', file({ file_data: `data:image/png;base64,iVBORw0KGgo${'A'.repeat(1_000_000)}` }), 1],
  ] as [string, object, number][])('takes 2,400 tokens for a page: %s', async (_, part, pages) => {
    expect(await of([part], { max_tokens: 1 })).toBe(2_400 * pages + 1);
  });

  it.each([
    ['1-2', 2],
    ['2', 1],
    [' 1 , 2?', 2],
    ['1-', 3],
    ['1-900', 3],
    ['nonsense', 3],
  ])('counts no more pages of a document than %j leaves', async (pages, count) => {
    expect(await of([file({ file_id: 'file-report' })], { max_tokens: 1, madakv: { pages } })).toBe(2_400 * count + 1);
  });

  it('reads the prompt once for each field of an extraction, whose answers have limits of their own', async () => {
    const properties = { total: { type: 'number' }, date: { type: 'string' } };
    const schema = { type: 'object', properties };
    const response_format = { type: 'json_schema', json_schema: { name: 'x', schema } };
    const asked = { response_format, madakv: { extract: true } };
    expect(await of('x'.repeat(400), asked)).toBe(100 + 64 + (100 + 256));
    expect(await of('x'.repeat(400), { ...asked, max_tokens: 10 })).toBe(2 * 110);
    expect(await of('x'.repeat(400), { madakv: { extract: true } })).toBe(100 + 256);
  });

  it('takes the tokens of a page from the model where it says them', async () => {
    const body = { max_tokens: 1, messages: [{ content: [file({ file_id: 'file-report' })] }] };
    expect(await estimateTokens(body, { ...context, pageTokens: 576 })).toBe(3 * 576 + 1);
  });

  it('is no more than the model has positions', async () => {
    const body = { messages: [{ role: 'user', content: 'x'.repeat(40_000) }] };
    expect(await estimateTokens(body, { ...context, maxPositions: 4_096 })).toBe(4_096);
  });

  it('counts nothing for what is no request', async () => {
    for (const body of [{}, { messages: 7 }, { messages: [null, { content: [7, { type: 'text' }] }] }]) {
      expect(await estimateTokens({ ...body, max_tokens: 'many' }, context)).toBeLessThanOrEqual(2_400 + 256);
    }
    expect(await estimateTokens({ messages: [{ content: 7 }] }, context)).toBe(256);
  });
});
