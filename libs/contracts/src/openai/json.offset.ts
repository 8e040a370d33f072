/** Escapes of one character, without `u`. */
const ESCAPES = '"\\/bfnrt';
const WORDS = ['true', 'false', 'null'];

/** What may come next: `first` and `firstKey` allow the end of the list as well. */
type State = 'value' | 'first' | 'key' | 'firstKey' | 'colon' | 'comma' | 'end';

/** The text does not go on as JSON at `at`; its length when it only ends too early. */
class Mistake extends Error {
  constructor(readonly at: number) {
    super();
  }
}

/**
 * Index of the character that makes `text` no JSON, whatever follows; its length when it only ends too early, or is JSON.
 * The engine's own messages name the position in some cases only. One pass, whatever the text: a body may have tens of
 * megabytes, and nothing else runs meanwhile.
 */
export function jsonErrorOffset(text: string): number {
  const open: ('[' | '{')[] = [];
  let state: State = 'value';
  let at = 0;
  const after = (): State => (open.length === 0 ? 'end' : 'comma');
  try {
    for (;;) {
      at = spaceEnd(text, at);
      if (at >= text.length) return text.length;
      const character = text[at];
      const inner = open.at(-1);
      if (isClosing(character, state, inner)) {
        open.pop();
        state = after();
        at++;
      } else if (state === 'value' || state === 'first') {
        if (character === '[' || character === '{') {
          open.push(character);
          state = character === '[' ? 'first' : 'firstKey';
          at++;
        } else {
          at = scalarEnd(text, at);
          state = after();
        }
      } else if (state === 'key' || state === 'firstKey') {
        if (character !== '"') return at;
        at = stringEnd(text, at);
        state = 'colon';
      } else if (character === (state === 'colon' ? ':' : ',') && state !== 'end') {
        state = state === 'comma' && inner === '{' ? 'key' : 'value';
        at++;
      } else return at;
    }
  } catch (mistake) {
    if (mistake instanceof Mistake) return Math.min(mistake.at, text.length);
    throw mistake;
  }
}

function isClosing(character: string, state: State, inner: '[' | '{' | undefined): boolean {
  if (character === ']') return inner === '[' && (state === 'first' || state === 'comma');
  return character === '}' && inner === '{' && (state === 'firstKey' || state === 'comma');
}

function spaceEnd(text: string, from: number): number {
  let at = from;
  for (;;) {
    const code = text.charCodeAt(at);
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return at;
    at++;
  }
}

/** Each of these returns where the token that begins at `from` ends. @throws Mistake */
function scalarEnd(text: string, from: number): number {
  if (text[from] === '"') return stringEnd(text, from);
  const word = WORDS.find((candidate) => candidate.startsWith(text[from]));
  if (word === undefined) return numberEnd(text, from);
  for (let i = 0; i < word.length; i++) if (text[from + i] !== word[i]) throw new Mistake(from + i);
  return from + word.length;
}

function stringEnd(text: string, from: number): number {
  let at = from + 1;
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x22) return at + 1;
    if (code < 0x20) throw new Mistake(at);
    if (code !== 0x5c) continue;
    at++;
    if (text[at] === 'u') {
      for (let i = 1; i <= 4; i++) if (!/^[0-9a-f]$/i.test(text[at + i] ?? '')) throw new Mistake(at + i);
      at += 4;
    } else if (at < text.length && !ESCAPES.includes(text[at])) throw new Mistake(at);
  }
  throw new Mistake(at);
}

function numberEnd(text: string, from: number): number {
  let at = text[from] === '-' ? from + 1 : from;
  at = text[at] === '0' ? at + 1 : digitsEnd(text, at);
  if (text[at] === '.') at = digitsEnd(text, at + 1);
  if (text[at] === 'e' || text[at] === 'E') {
    at++;
    if (text[at] === '+' || text[at] === '-') at++;
    at = digitsEnd(text, at);
  }
  return at;
}

/** One digit at least. */
function digitsEnd(text: string, from: number): number {
  let at = from;
  while (text[at] >= '0' && text[at] <= '9') at++;
  if (at === from) throw new Mistake(at);
  return at;
}
