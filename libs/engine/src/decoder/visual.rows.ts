import { Tensor } from '@madakv/onnx';
import type { VisualRows } from './prefill.group.js';

/** Rows `[from, to)` of a prompt, which stand from `at` on in a run. */
interface PlacedRows {
  readonly from: number;
  readonly to: number;
  readonly at: number;
}

/** The part of a prompt's visual features that some of its rows get, by row of the run. Nothing is copied. */
export function visualRowsIn(
  visual: readonly VisualRows[],
  { from, to, at }: PlacedRows,
  hiddenSize: number,
): VisualRows[] {
  return visual.flatMap(({ row, layers }) => {
    const end = row + layers[0].length / hiddenSize;
    const [first, last] = [Math.max(row, from), Math.min(end, to)];
    if (first >= last) return [];
    const own = layers.map((layer) => layer.subarray((first - row) * hiddenSize, (last - row) * hiddenSize));
    return [{ row: at + first - from, layers: own }];
  });
}

/**
 * What is added to a run behind a layer: features where its images are, nothing elsewhere.
 * @param dims of the run, `[rows, hidden]`
 * @returns undefined where there is nothing to add
 */
export function visualOf(visual: readonly VisualRows[], layer: number, dims: readonly number[]): Tensor | undefined {
  const parts = visual.filter(({ layers }) => layer < layers.length);
  if (parts.length === 0) return undefined;
  const [rows, hiddenSize] = dims;
  const added = new Float32Array(rows * hiddenSize);
  for (const { row, layers } of parts) added.set(layers[layer], row * hiddenSize);
  return new Tensor('float32', added, [rows, hiddenSize]);
}
