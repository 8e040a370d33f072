import { MadakvError } from '../errors.js';
import { jsonErrorOffset } from './json.offset.js';

/**
 * Parses JSON.
 * @param firstLine number of the text's first line in its file
 * @throws MadakvError `invalid_json` with line and column of the first character that cannot be part of JSON
 */
export function parseJson(text: string, firstLine = 1): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const offset = jsonErrorOffset(text);
    const at = `line ${firstLine + newlines(text, offset)}, column ${offset - text.lastIndexOf('\n', offset - 1)}`;
    const what = offset >= text.trimEnd().length ? 'the text ends too early' : `unexpected ${quoted(text, offset)}`;
    throw new MadakvError('invalid_json', `not JSON: ${at}: ${what}`, { cause });
  }
}

/** How many stand before `end`. */
function newlines(text: string, end: number): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at >= 0 && at < end; at = text.indexOf('\n', at + 1)) count++;
  return count;
}

function quoted(text: string, offset: number): string {
  const [character = ''] = text.slice(offset, offset + 2);
  return JSON.stringify(character);
}
