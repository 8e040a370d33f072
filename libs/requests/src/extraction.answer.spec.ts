import { ExtractedFieldSchema } from '@madakv/contracts';
import { extractionPlan } from '@madakv/extraction';
import { describe, expect, it } from 'vitest';
import { extractionAnswer, type FieldResult } from './extraction.answer.js';

const plan = extractionPlan({
  type: 'object',
  properties: { total: { type: ['number', 'null'] }, buyer: { type: ['string', 'null'] } },
  required: ['total', 'buyer'],
});
const result = (text: string, finishReason: FieldResult['finishReason'] = 'stop'): FieldResult => ({
  text,
  finishReason,
  completionTokens: 4,
  bytes: { full: 100, kept: 20 },
  traceId: 't.2',
});

describe('extractionAnswer', () => {
  it('is the object, and what every field was answered', () => {
    const { content, fields } = extractionAnswer(plan, [result('£1,246.32'), result('not stated')]);
    expect(content).toBe('{"total":1246.32,"buyer":null}');
    const each = {
      finish_reason: 'stop',
      completion_tokens: 4,
      bytes: { full: 100, kept: 20 },
      trace_id: 't.2',
      problems: [],
    };
    expect(fields).toEqual([
      { name: 'total', answer: '£1,246.32', value: 1246.32, ...each },
      { name: 'buyer', answer: 'not stated', value: null, ...each },
    ]);
    for (const field of fields) expect(ExtractedFieldSchema.parse(field)).toEqual(field);
  });

  it('takes no value from an answer that was cut off', () => {
    const { content, fields } = extractionAnswer(plan, [result('much'), result('The Northgate', 'length')]);
    expect(content).toBe('{"total":null,"buyer":null}');
    expect(fields.map(({ problems }) => problems)).toEqual([
      [{ name: 'total', answer: 'much', message: 'is not one number' }],
      [{ name: 'buyer', answer: 'The Northgate', message: 'was cut off at its limit of tokens' }],
    ]);
  });
});
