import { EvaluationError } from '@madakv/evaluation';
import { UsageError } from '../exit.codes.js';

/** Does a part of an evaluation; what cannot be measured as it was chosen is the caller's mistake, told in the words of its flags. */
export async function asUsageErrors<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (!(cause instanceof EvaluationError)) throw cause;
    throw new UsageError(textOf(cause), { cause });
  }
}

function textOf({ code, message }: EvaluationError): string {
  switch (code) {
    case 'unknown_set':
      return `--sets: ${message}`;
    case 'unknown_scored_set':
      return `--scorer ${message}`;
    case 'variant_name_taken':
      return `--variant ${message}`;
    case 'other_settings':
      return `--out ${message}. Give another --out, or --no-resume to begin again and lose its results`;
    case 'question_too_long':
      return `${message}; leave its set out with --sets, or shorten it`;
    case 'ambiguous_question':
      return `--id ${message}; give --set`;
    case 'not_in_run':
    case 'unreadable_run':
    case 'unknown_question':
    case 'request_too_short':
      return message;
  }
}
