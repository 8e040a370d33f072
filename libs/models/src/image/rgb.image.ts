/** Eight-bit RGB, row-major, interleaved: `data[(y * width + x) * 3 + channel]`. */
export interface RgbImage {
  width: number;
  height: number;
  data: Uint8Array;
}
