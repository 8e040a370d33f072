/** Rows and columns that are turned together, so that both sides stay in the processor's cache: a line of 64 bytes is 16 words. */
const TILE = 16;

/**
 * Turns words of codes that are packed along the rows into rows along the columns.
 * @param words `[inputs * bits / 32, outputs]`: little-endian words with the lowest input lowest
 * @returns `[outputs, inputs * bits / 8]` bytes in the same order
 */
export function turnWords(words: Uint32Array, outputs: number): Uint8Array {
  const rows = words.length / outputs;
  const turned = new Uint32Array(words.length);
  for (let first = 0; first < outputs; first += TILE) {
    const end = Math.min(first + TILE, outputs);
    for (let row = 0; row < rows; row++) {
      for (let output = first; output < end; output++) turned[output * rows + row] = words[row * outputs + output];
    }
  }
  return new Uint8Array(turned.buffer);
}

/**
 * Turns codes of 4 bits that are packed along the outputs.
 * @param words `[inputs, outputs / 8]`
 * @param places the output, within its eight, of each nibble from the lowest
 * @returns `[outputs, inputs / 2]` bytes, the lower input lowest
 */
export function turnNibbles(words: Uint32Array, inputs: number, outputs: number, places: readonly number[]): Uint8Array {
  const width = outputs / 8;
  const rowBytes = inputs / 2;
  const turned = new Uint8Array(outputs * rowBytes);
  for (let first = 0; first < width; first += TILE) {
    const end = Math.min(first + TILE, width);
    for (let input = 0; input < inputs; input += 2) {
      for (let column = first; column < end; column++) {
        const low = words[input * width + column];
        const high = words[(input + 1) * width + column];
        for (let nibble = 0; nibble < 8; nibble++) {
          const code = ((low >>> (4 * nibble)) & 15) | (((high >>> (4 * nibble)) & 15) << 4);
          turned[(column * 8 + places[nibble]) * rowBytes + (input >> 1)] = code;
        }
      }
    }
  }
  return turned;
}

/**
 * Codes of words that are packed along their last axis.
 * @param words `[rows, columns * bits / 32]`
 * @param places as `turnNibbles`; for other than 4 bits in order
 * @returns `[columns, rows]`, a byte each
 */
export function unpackTurned(words: Uint32Array, rows: number, bits: 4 | 8, places?: readonly number[]): Uint8Array {
  const each = 32 / bits;
  const width = words.length / rows;
  const codes = new Uint8Array(words.length * each);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < width; column++) {
      for (let i = 0; i < each; i++) {
        const at = column * each + (places?.[i] ?? i);
        codes[at * rows + row] = (words[row * width + column] >>> (bits * i)) & (2 ** bits - 1);
      }
    }
  }
  return codes;
}

/** Turns values: `[rows, columns]` to `[columns, rows]`. */
export function turnValues(values: Float32Array, rows: number): Float32Array {
  const columns = values.length / rows;
  return Float32Array.from(values, (_, i) => values[(i % rows) * columns + Math.floor(i / rows)]);
}
