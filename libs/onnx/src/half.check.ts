import { GraphBuilder } from './graph.builder.js';
import { dataTypes } from './schema.js';
import { Tensor, type ExecutionProvider } from './provider.js';

/** A third is no float16: the nearest one lies 8e-5 below. */
const INPUT = 1 / 3;
const ROUNDED = 0.333251953125;

/** Whether a device computes with float16 numbers. Without WebGPU's `shader-f16` the first such shader is refused. */
export async function computesHalf(provider: ExecutionProvider): Promise<boolean> {
  const session = await provider.createSession({ bytes: probeGraph() }, { asWritten: true, quiet: true });
  try {
    const { y } = await session.run({ x: new Tensor('float32', Float32Array.of(INPUT), [1]) });
    return (y.data as Float32Array)[0] === -ROUNDED;
  } catch {
    return false;
  } finally {
    await session.release();
  }
}

function probeGraph(): Uint8Array {
  const graph = new GraphBuilder('half-check');
  const half = graph.op('Cast', [graph.input('x', 'float32', [1])], { to: dataTypes.float16 });
  const y = graph.op('Cast', [graph.op('Neg', [half])], { to: dataTypes.float32 });
  graph.output('y', y, 'float32', [1]);
  return graph.encode();
}
