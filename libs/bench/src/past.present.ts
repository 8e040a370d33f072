import type { DecoderConfig } from '@madakv/models';
import { GraphBuilder, Tensor, type ExecutionProvider } from '@madakv/onnx';
import type { Probe } from './measure.js';

/**
 * One layer's decode attention the way most ONNX programs do it: the cache goes into the graph as `past` and comes out, one
 * row longer, as `present`.
 */
export async function pastPresentProbe(
  provider: ExecutionProvider,
  config: DecoderConfig,
  tokens: number,
): Promise<Probe> {
  const { heads, kvHeads, headDim } = config;
  const graph = new GraphBuilder('past-present');
  const past = [1, kvHeads, tokens, headDim];
  const shapes = {
    q: [1, 1, heads * headDim],
    k: [1, 1, kvHeads * headDim],
    v: [1, 1, kvHeads * headDim],
    past_keys: past,
    past_values: past,
  };
  const inputs = Object.entries(shapes).map(([name, dims]) => graph.input(name, 'float32', dims));
  const counts = ['last', 'total'].map((name) => graph.input(name, 'int32', [1]));
  const outputs = graph.ops('GroupQueryAttention', [...inputs, ...counts], {
    domain: 'com.microsoft',
    attributes: { num_heads: heads, kv_num_heads: kvHeads },
    outputCount: 3,
  });
  ['attn', 'present_keys', 'present_values'].forEach((name, i) => {
    graph.output(name, outputs[i], 'float32');
  });
  const session = await provider.createSession({ bytes: graph.encode() });
  const filled = (dims: number[]): Tensor =>
    new Tensor('float32', new Float32Array(dims.reduce((product, dim) => product * dim, 1)).fill(0.1), dims);
  const feeds = {
    ...Object.fromEntries(Object.entries(shapes).map(([name, dims]) => [name, filled(dims)])),
    last: new Tensor('int32', Int32Array.of(tokens), [1]),
    total: new Tensor('int32', Int32Array.of(tokens + 1), [1]),
  };
  return { run: () => session.run(feeds), release: () => session.release() };
}
