import { MadakvError } from '../errors.js';

/**
 * Parses JSON.
 * @param firstLine number of the text's first line in its file
 * @throws MadakvError `invalid_json` with line and column of the first character that cannot be part of JSON
 */
export function parseJson(text: string, firstLine = 1): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const offset = errorOffset(text);
    const before = text.slice(0, offset).split('\n');
    const at = `line ${firstLine + before.length - 1}, column ${before[before.length - 1].length + 1}`;
    const what = offset >= text.trimEnd().length ? 'the text ends too early' : `unexpected ${quoted(text, offset)}`;
    throw new MadakvError('invalid_json', `not JSON: ${at}: ${what}`, { cause });
  }
}

/**
 * Index of the character that makes `text` no JSON, whatever follows; its length when it only ends too early. The engine's
 * own messages name the position in some cases only, so it is searched for: it ends the shortest prefix that fails for
 * another reason than its end.
 */
function errorOffset(text: string): number {
  let [sound, broken] = [0, text.length + 1];
  while (broken - sound > 1) {
    const middle = (sound + broken) >> 1;
    if (middle <= text.length && isBeginning(text.slice(0, middle))) sound = middle;
    else broken = middle;
  }
  return sound;
}

function isBeginning(prefix: string): boolean {
  try {
    JSON.parse(prefix);
    return true;
  } catch (error) {
    const { message } = error as Error;
    const position = /at position (\d+)/.exec(message);
    if (position !== null) return Number(position[1]) >= prefix.length;
    return message.startsWith('Unexpected end');
  }
}

function quoted(text: string, offset: number): string {
  const [character = ''] = text.slice(offset, offset + 2);
  return JSON.stringify(character);
}
