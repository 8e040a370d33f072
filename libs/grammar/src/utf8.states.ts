/**
 * States of reading UTF-8 (Unicode 16, table 3-7): what may come next. U+2028 and U+2029, which end a line in some
 * readers of JSON and in regular expressions, are left out as well.
 */
const STATES = {
  start: [
    [0x00, 0x7f, 'start'],
    [0xc2, 0xdf, 'one'],
    [0xe0, 0xe0, 'afterE0'],
    [0xe1, 0xe1, 'two'],
    [0xe2, 0xe2, 'afterE2'],
    [0xe3, 0xec, 'two'],
    [0xed, 0xed, 'afterEd'],
    [0xee, 0xef, 'two'],
    [0xf0, 0xf0, 'afterF0'],
    [0xf1, 0xf3, 'three'],
    [0xf4, 0xf4, 'afterF4'],
  ],
  one: [[0x80, 0xbf, 'start']],
  two: [[0x80, 0xbf, 'one']],
  three: [[0x80, 0xbf, 'two']],
  afterE0: [[0xa0, 0xbf, 'one']],
  afterE2: [
    [0x80, 0x80, 'afterE280'],
    [0x81, 0xbf, 'one'],
  ],
  afterE280: [
    [0x80, 0xa7, 'start'],
    [0xaa, 0xbf, 'start'],
  ],
  afterEd: [[0x80, 0x9f, 'one']],
  afterF0: [[0x90, 0xbf, 'two']],
  afterF4: [[0x80, 0x8f, 'two']],
} as const satisfies Record<string, readonly (readonly [from: number, to: number, next: string])[]>;

export type Utf8State = keyof typeof STATES;

export const UTF8_STATES = Object.keys(STATES) as Utf8State[];

/** @returns the state after these bytes, or undefined where they are no UTF-8 */
export function utf8After(state: Utf8State, bytes: Uint8Array): Utf8State | undefined {
  let at: Utf8State = state;
  for (const byte of bytes) {
    const way: readonly [number, number, Utf8State] | undefined = STATES[at].find(
      ([from, to]) => byte >= from && byte <= to,
    );
    if (way === undefined) return undefined;
    at = way[2];
  }
  return at;
}
