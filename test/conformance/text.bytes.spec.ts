import { openModel } from '@madakv/models';
import { describe, expect, it } from 'vitest';
import { READER, requestFixtures } from './fixture.reader.js';

describe('what a token of text stands for', () => {
  it('is a byte with the bundled reader, whatever is asked', () => {
    const reader = openModel(READER);
    for (const text of ['Total?', 'Welche Firma schließt die Rechnung über 12,50 € ab? 漢字']) {
      expect(reader.layout([{ role: 'user', content: text }], []).textBytesPerToken).toBe(1);
    }
  });

  it.each(requestFixtures().filter(({ images }) => images.length === 0))(
    'is the mean over the tokens that spell it: $name',
    ({ checkpoint, messages, expected }) => {
      const model = openModel(checkpoint);
      const { inputIds, textBytesPerToken } = model.layout(messages, []);
      const spelt = [...inputIds].filter((id) => !model.tokenizer.isSpecial(id));
      const special = [...inputIds]
        .filter((id) => model.tokenizer.isSpecial(id))
        .map((id) => model.tokenizer.token(id));
      const text = special.reduce((rest: string, token) => rest.replace(token ?? '', ''), expected.text);
      // A tokenizer may write a space before the text.
      expect(Math.abs(textBytesPerToken * spelt.length - Buffer.byteLength(text))).toBeLessThanOrEqual(1);
    },
  );
});
