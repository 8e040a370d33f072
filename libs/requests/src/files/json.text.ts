import { MadakvError, parseJson as parse } from '@madakv/contracts';
import { InputFileError } from './input.file.error.js';

/**
 * Parses JSON.
 * @param name what the text is, for the message
 * @param firstLine number of the text's first line in its file
 * @throws InputFileError with line and column of the first character that cannot be part of JSON
 */
export function parseJsonText(text: string, name: string, firstLine?: number): unknown {
  try {
    return parse(text, firstLine);
  } catch (cause) {
    if (!(cause instanceof MadakvError)) throw cause;
    throw new InputFileError(`${name}: ${cause.message}`, { cause });
  }
}
