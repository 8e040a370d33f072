import { GraphBuilder } from './graph.builder.js';
import { ProviderUnavailableError, Tensor, type ExecutionProvider } from './provider.js';
import { zeroCode, type CodeType } from './schema.js';

/** Kernels take inputs in groups and in blocks; these are no multiple of either. */
const INPUTS = 259;
const OUTPUTS = 37;
/** One row, some and many take different kernels. */
const ROWS = [1, 5, 40];

/** In order of preference: where both are exact, signed codes are the faster ones. */
const CODE_TYPES: readonly CodeType[] = ['int8', 'uint8'];

/**
 * The type of codes with which a provider's integer products are exact. Processors without instructions for them add pairs of
 * products in 16 bits: with uint8 on the left and int8 on the right, ONNX Runtime's kernels for AVX2 cut those sums off at the end of
 * the range. Operands at the ends of their ranges show it, whatever the processor is called.
 * @throws ProviderUnavailableError when sums are wrong with every type
 */
export async function exactIntegerCodes(provider: ExecutionProvider): Promise<CodeType> {
  for (const type of CODE_TYPES) if (await productsAreExact(provider, type)) return type;
  throw new ProviderUnavailableError(
    provider.name,
    `execution provider ${provider.name}: sums of 8-bit products are wrong on this machine; choose weights of 4 or 8 bits or in full ` +
      'precision instead of w8a8, and a cache in fp32 instead of int8',
  );
}

/** Whether both ways to multiply codes are exact: with a matrix that a session holds, and with one that is fed. */
export async function productsAreExact(provider: ExecutionProvider, type: CodeType): Promise<boolean> {
  const right = Int32Array.from({ length: INPUTS * OUTPUTS }, (_, i) =>
    rightValue(Math.floor(i / OUTPUTS), i % OUTPUTS),
  );
  const codes = Uint8Array.from(right, (value) => value + zeroCode[type]);
  const fed = type === 'int8' ? new Int8Array(codes.buffer) : codes;
  const session = await provider.createSession({ bytes: probeGraph(type, codes) });
  try {
    for (const rows of ROWS) {
      const left = new Uint8Array(rows * INPUTS).fill(255);
      const { held, given } = await session.run({
        left: new Tensor('uint8', left, [rows, INPUTS]),
        right: new Tensor(type, fed, [INPUTS, OUTPUTS]),
      });
      const isExact = (results: ArrayLike<number>): boolean =>
        Array.from({ length: rows * OUTPUTS }, (_, i) => results[i] === expected(i % OUTPUTS)).every(Boolean);
      if (!isExact(held.data as Float32Array) || !isExact(given.data as Int32Array)) return false;
    }
    return true;
  } finally {
    await session.release();
  }
}

/** A third of the columns holds the largest code, a third the smallest; the others change from one to the other half way. */
function rightValue(input: number, output: number): number {
  if (output % 3 === 0) return 127;
  if (output % 3 === 1) return -127;
  return input < INPUTS / 2 ? 127 : -127;
}

/** A row of 255s times a column: exact in float32 as well. */
function expected(output: number): number {
  let sum = 0;
  for (let input = 0; input < INPUTS; input++) sum += 255 * rightValue(input, output);
  return sum;
}

function probeGraph(type: CodeType, codes: Uint8Array): Uint8Array {
  const graph = new GraphBuilder('integer-check');
  const left = graph.input('left', 'uint8', ['rows', INPUTS]);
  const right = graph.input('right', type, [INPUTS, OUTPUTS]);
  const matrix = graph.constant(codes, [INPUTS, OUTPUTS], type);
  const one = graph.scalar(1);
  const zero = graph.constant(Uint8Array.of(zeroCode[type]), [], type);
  const held = graph.contrib('MatMulIntegerToFloat', [left, matrix, one, one, null, zero]);
  graph.output('held', held, 'float32');
  graph.output('given', graph.op('MatMulInteger', [left, right, null, zero]), 'int32');
  return graph.encode();
}
