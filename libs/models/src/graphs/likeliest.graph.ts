import { dataTypes, GraphBuilder, type Dim } from '@madakv/onnx';

/**
 * The likeliest token of each block of a vocabulary, so that whoever chooses the likeliest of all reads a few numbers and not the whole of it.
 * One step over all would be one thread's on a GPU; sorting it takes longer than reading it (docs/gpu.md).
 *
 * Input: `logits` `[rows, vocab]`. Output: `likeliest` `[rows, 2 * blocks]`: the largest logit of each block, then where in its block each
 * lies, the first of equals. One output, since each that is read waits for the device.
 */
export function likeliestOfBlocks(vocabSize: number): Uint8Array {
  const graph = new GraphBuilder('likeliest-of-blocks');
  const size = blockSize(vocabSize);
  const logits = graph.input('logits', 'float32', ['rows', vocabSize]);
  const blocks = graph.op('Reshape', [logits, graph.ints(-1, vocabSize / size, size)]);
  const largest = graph.op('ReduceMax', [blocks, graph.ints(2)], { keepdims: 0 });
  const places = graph.op('Cast', [graph.op('ArgMax', [blocks], { axis: 2, keepdims: 0 })], { to: dataTypes.float32 });
  const joined = graph.op('Concat', [largest, places], { axis: 1 });
  graph.output('likeliest', joined, 'float32', ['rows', (2 * vocabSize) / size]);
  return graph.encode();
}

/** The divisor of a vocabulary's size that is nearest to its root from below: there are about as many blocks as tokens in one. */
export function blockSize(vocabSize: number): number {
  let size = Math.floor(Math.sqrt(vocabSize));
  while (vocabSize % size !== 0) size--;
  return size;
}

/** Reads a matrix back. Input: `matrix` `[rows, columns]`. Output: `read`, the same. */
export function readMatrix(columns: Dim): Uint8Array {
  const graph = new GraphBuilder('read-matrix');
  graph.output('read', graph.input('matrix', 'float32', ['rows', columns]), 'float32', ['rows', columns]);
  return graph.encode();
}
