import { expect, it } from 'vitest';
import { EvaluationError, type EvaluationErrorCode } from '@madakv/evaluation';
import { UsageError } from '../exit.codes.js';
import { asUsageErrors } from './evaluation.errors.js';

it.each<[EvaluationErrorCode, string, string | RegExp]>([
  ['unknown_set', 'there is no set "c"', '--sets: there is no set "c"'],
  ['unknown_scored_set', 'c: there is no such set in this run', '--scorer c: there is no such set in this run'],
  ['variant_name_taken', 'x: there is another', '--variant x: there is another'],
  ['other_settings', 'out has other', /^--out out has other\. Give another --out, or --no-resume to .* its results$/],
  ['question_too_long', 'a:1: too long', 'a:1: too long; leave its set out with --sets, or shorten it'],
  ['ambiguous_question', 'q is in several sets: a, b', '--id q is in several sets: a, b; give --set'],
  ['not_in_run', 'no policy h2o in this run', 'no policy h2o in this run'],
  ['unknown_question', 'data: has no question q', 'data: has no question q'],
])('says %s in the words of the flags', async (code, message, text) => {
  const failed = asUsageErrors(() => {
    throw new EvaluationError(code, message);
  });
  await expect(failed).rejects.toThrow(text);
  await expect(failed).rejects.toBeInstanceOf(UsageError);
});

it('leaves other errors and results alone', async () => {
  await expect(asUsageErrors(() => Promise.reject(new TypeError('x')))).rejects.toBeInstanceOf(TypeError);
  expect(await asUsageErrors(() => 5)).toBe(5);
});
