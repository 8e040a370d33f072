import { GraphBuilder } from '@madakv/onnx';

/**
 * Adds features of images to the rows of a run behind one of the decoder's first layers (DeepStack).
 *
 * Inputs: `x`, `added` `[rows, hidden]`. Output: `y` `[rows, hidden]`.
 */
export function visualSum(hiddenSize: number): Uint8Array {
  const graph = new GraphBuilder('visual-sum');
  const input = (name: string) => graph.input(name, 'float32', ['rows', hiddenSize]);
  graph.output('y', graph.op('Add', [input('x'), input('added')]), 'float32', ['rows', hiddenSize]);
  return graph.encode();
}
