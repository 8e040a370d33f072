/** Horizontal and vertical resolution, in whatever unit both have. */
export interface AxisResolution {
  readonly x: number;
  readonly y: number;
}

const X_RESOLUTION = 282;
const Y_RESOLUTION = 283;
const RATIONAL = 5;
const ENTRY_BYTES = 12;

/**
 * What a TIFF's pages say about their resolution (TIFF 6.0, section 8), one entry a page; undefined where a page does not
 * say it. Faxes have pixels twice as high as wide, and would come out squashed without it. Files with 64-bit offsets are
 * not read.
 * @param pages how many are wanted at most
 */
export function tiffResolutions(bytes: Uint8Array, pages: number): (AxisResolution | undefined)[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const found: (AxisResolution | undefined)[] = [];
  try {
    const little = view.getUint8(0) === 0x49;
    if (view.getUint16(2, little) !== 42) return [];
    let at = view.getUint32(4, little);
    while (at !== 0 && found.length < pages) {
      const entries = view.getUint16(at, little);
      const rational = (tag: number): number => rationalOf(view, at + 2, entries, tag, little);
      const resolution = { x: rational(X_RESOLUTION), y: rational(Y_RESOLUTION) };
      found.push(resolution.x > 0 && resolution.y > 0 ? resolution : undefined);
      at = view.getUint32(at + 2 + entries * ENTRY_BYTES, little);
    }
  } catch (error) {
    // It leads outside of the file: whoever decodes it finds out what is left.
    if (!(error instanceof RangeError)) throw error;
  }
  return found;
}

/** 0 where the page has no such entry. */
function rationalOf(view: DataView, first: number, entries: number, tag: number, little: boolean): number {
  for (let at = first; at < first + entries * ENTRY_BYTES; at += ENTRY_BYTES) {
    if (view.getUint16(at, little) !== tag || view.getUint16(at + 2, little) !== RATIONAL) continue;
    const value = view.getUint32(at + 8, little);
    return view.getUint32(value, little) / Math.max(1, view.getUint32(value + 4, little));
  }
  return 0;
}
