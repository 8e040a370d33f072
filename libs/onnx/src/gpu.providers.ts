import { env, type InferenceSession } from 'onnxruntime-node';
import { FLASH_OPERATORS, flashAttentionWorks } from './flash.check.js';
import { GraphBuilder } from './graph.builder.js';
import { computesHalf } from './half.check.js';
import { exactIntegerCodes } from './integer.check.js';
import { once } from './once.js';
import {
  commonOptions,
  openSession,
  ProviderUnavailableError,
  Tensor,
  type ExecutionProvider,
  type ProviderName,
} from './provider.js';

/** Nodes of one operator that a graph may have and that are named below. */
const MOST_NODES = 128;

/**
 * Any GPU that Vulkan, Metal or Direct3D 12 reaches. Results can stay on the device. Where its flash attention is wrong, the
 * operators that use it run on the CPU.
 * @throws ProviderUnavailableError when no adapter is found
 */
export async function webgpuProvider(): Promise<ExecutionProvider> {
  const provider = gpuProvider({ name: 'webgpu' }, true);
  await probe(
    provider,
    'no WebGPU adapter was found. On Linux it needs the Vulkan loader (Debian’s package libvulkan1) and a Vulkan driver: the GPU vendor’s (containers: ' +
      'NVIDIA_DRIVER_CAPABILITIES=graphics,compute,utility) or, for tests without a GPU, a software one such as ' +
      'Debian’s package mesa-vulkan-drivers or chromium (VK_ICD_FILENAMES=/usr/lib/chromium/vk_swiftshader_icd.json)',
  );
  if (await flashAttentionWorks(provider)) return provider;
  const forceCpuNodeNames = FLASH_OPERATORS.flatMap((operator) => nodeNames(operator));
  return gpuProvider({ name: 'webgpu', forceCpuNodeNames }, true);
}

/**
 * NVIDIA GPUs through CUDA. Results are copied back after every run: the binding for Node cannot leave them on a CUDA device.
 * @throws ProviderUnavailableError when the libraries are missing
 */
export async function cudaProvider(): Promise<ExecutionProvider> {
  const provider = gpuProvider({ name: 'cuda' }, false);
  await probe(
    provider,
    'the CUDA libraries of ONNX Runtime are missing. They are an opt-in: install CUDA 12 and cuDNN 9, then run ' +
      '`ONNXRUNTIME_NODE_INSTALL=cuda12 node node_modules/onnxruntime-node/script/install` (Linux x64)',
  );
  return provider;
}

type GpuOptions =
  | { readonly name: 'cuda' }
  /** `forceCpuNodeNames`: nodes that run on the CPU; names that a graph does not have do no harm. */
  | { readonly name: 'webgpu'; readonly forceCpuNodeNames?: readonly string[] };

function gpuProvider(device: GpuOptions, keepsTensorsOnDevice: boolean): ExecutionProvider {
  const { name } = device;
  const provider: ExecutionProvider = {
    name,
    keepsTensorsOnDevice,
    signature: () => Promise.resolve(`${name}/${env.versions.node ?? env.versions.common}`),
    integerCodes: once(() => exactIntegerCodes(provider)),
    halfPrecision: once(() => (keepsTensorsOnDevice ? computesHalf(provider) : Promise.resolve(false))),
    createSession: (source, settings = {}) => {
      const options: InferenceSession.SessionOptions = { ...commonOptions(0), executionProviders: [device] };
      if (settings.asWritten === true) options.graphOptimizationLevel = 'disabled';
      if (settings.quiet === true) options.logSeverityLevel = 4;
      const onDevice = keepsTensorsOnDevice ? (settings.onDevice ?? []) : [];
      if (onDevice.length === 0) return openSession(source, options);
      const preferredOutputLocation = Object.fromEntries(onDevice.map((output) => [output, 'gpu-buffer' as const]));
      return openSession(source, { ...options, preferredOutputLocation });
    },
  };
  return provider;
}

/** The names that `GraphBuilder` gives to the nodes of an operator. */
function nodeNames(operator: string): string[] {
  return [operator, ...Array.from({ length: MOST_NODES - 1 }, (_, i) => `${operator}_${i + 1}`)];
}

/** Creates and runs the smallest session, so that a missing driver shows at start and not at the first request. */
async function probe(provider: ExecutionProvider, advice: string): Promise<void> {
  const graph = new GraphBuilder('probe');
  graph.output('y', graph.op('Neg', [graph.input('x', 'float32', [1])]), 'float32', [1]);
  try {
    const session = await provider.createSession({ bytes: graph.encode() });
    await session.run({ x: new Tensor('float32', Float32Array.of(1), [1]) });
    await session.release();
  } catch (cause) {
    const name: ProviderName = provider.name;
    const reason = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
    throw new ProviderUnavailableError(name, `execution provider ${name}: ${advice} [${reason}]`, { cause });
  }
}
