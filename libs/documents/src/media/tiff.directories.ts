/** Horizontal and vertical resolution, in whatever unit both have. */
export interface AxisResolution {
  readonly x: number;
  readonly y: number;
}

/** One of the images that a TIFF holds. */
export interface TiffDirectory {
  /** Undefined where it does not say it. */
  readonly resolution: AxisResolution | undefined;
  /** Another page made small, as a preview or a level of a pyramid, or a mask of one. */
  readonly isReduced: boolean;
}

const NEW_SUBFILE_TYPE = 254;
const SUBFILE_TYPE = 255;
const X_RESOLUTION = 282;
const Y_RESOLUTION = 283;
const [SHORT, LONG, RATIONAL] = [3, 4, 5];
const ENTRY_BYTES = 12;
/** Of the newer kind: reduced, or a mask. */
const REDUCED_BITS = 1 | 4;
/** Of the older kind. */
const REDUCED = 2;

/**
 * What a TIFF's directories say of themselves (TIFF 6.0, section 8), in their order. Faxes have pixels twice as high as wide, and would
 * come out squashed without their resolution. Files with 64-bit offsets are not read: none is found in them.
 */
export function tiffDirectories(bytes: Uint8Array): TiffDirectory[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const found: TiffDirectory[] = [];
  try {
    const little = view.getUint8(0) === 0x49;
    if (view.getUint16(2, little) !== 42) return [];
    const seen = new Set<number>();
    for (let at = view.getUint32(4, little); at !== 0 && !seen.has(at);) {
      seen.add(at);
      const entries = entriesOf(view, at, little);
      const { x, y } = {
        x: rational(view, entries.get(X_RESOLUTION), little),
        y: rational(view, entries.get(Y_RESOLUTION), little),
      };
      const isReduced =
        (whole(view, entries.get(NEW_SUBFILE_TYPE), little) & REDUCED_BITS) !== 0 ||
        whole(view, entries.get(SUBFILE_TYPE), little) === REDUCED;
      found.push({ resolution: x > 0 && y > 0 ? { x, y } : undefined, isReduced });
      at = view.getUint32(at + 2 + view.getUint16(at, little) * ENTRY_BYTES, little);
    }
  } catch (error) {
    // It leads outside of the file: whoever decodes it finds out what is left.
    if (!(error instanceof RangeError)) throw error;
  }
  return found;
}

/** Places of a directory's entries, by their tags. */
function entriesOf(view: DataView, at: number, little: boolean): ReadonlyMap<number, number> {
  const count = view.getUint16(at, little);
  return new Map(
    Array.from({ length: count }, (_, i) => {
      const entry = at + 2 + i * ENTRY_BYTES;
      return [view.getUint16(entry, little), entry] as const;
    }),
  );
}

/** 0 where there is no such entry, or it is none of these. */
function whole(view: DataView, entry: number | undefined, little: boolean): number {
  if (entry === undefined) return 0;
  const type = view.getUint16(entry + 2, little);
  return type === LONG ? view.getUint32(entry + 8, little) : type === SHORT ? view.getUint16(entry + 8, little) : 0;
}

function rational(view: DataView, entry: number | undefined, little: boolean): number {
  if (entry === undefined || view.getUint16(entry + 2, little) !== RATIONAL) return 0;
  const value = view.getUint32(entry + 8, little);
  return view.getUint32(value, little) / Math.max(1, view.getUint32(value + 4, little));
}
