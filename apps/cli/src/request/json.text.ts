import { MadakvError, parseJson as parse } from '@madakv/contracts';
import { UsageError } from '../exit.codes.js';

/**
 * Parses JSON.
 * @param name what the text is, for the message
 * @param firstLine number of the text's first line in its file
 * @throws UsageError with line and column of the first character that cannot be part of JSON
 */
export function parseJson(text: string, name: string, firstLine?: number): unknown {
  try {
    return parse(text, firstLine);
  } catch (cause) {
    if (!(cause instanceof MadakvError)) throw cause;
    throw new UsageError(`${name}: ${cause.message}`, { cause });
  }
}
