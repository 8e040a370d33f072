import { cpus } from 'node:os';
import { env, type InferenceSession } from 'onnxruntime-node';
import { exactIntegerCodes } from './integer.check.js';
import { preparedMatrices } from './matrix.probe.js';
import { once } from './once.js';
import { alignPrepacked } from './prepacked.layout.js';
import { commonOptions, openSession, type ExecutionProvider, type ModelSource } from './provider.js';

/**
 * The processor, through ONNX Runtime's default provider. Inputs are read in place; outputs are copied to JavaScript.
 * @param intraOpThreads threads one operator may use; 0 for all cores
 */
export function cpuProvider(intraOpThreads = 0): ExecutionProvider {
  const options: InferenceSession.SessionOptions = { ...commonOptions(intraOpThreads), executionProviders: ['cpu'] };
  const prepare = (source: ModelSource, path: string): Promise<void> => prepareModel(options, source, path);
  const provider: ExecutionProvider = {
    name: 'cpu',
    keepsTensorsOnDevice: false,
    signature: once(async () => {
      const version = env.versions.node ?? env.versions.common;
      // The name alone would not do: of two processors called the same, one may hide instructions from its machine.
      return `cpu/${version}/${process.arch}/${cpus()[0]?.model ?? 'unknown'}/${await preparedMatrices(prepare)}`;
    }),
    integerCodes: once(() => exactIntegerCodes(provider)),
    halfPrecision: () => Promise.resolve(false),
    createSession: (source, settings = {}) =>
      openSession(source, settings.asWritten === true ? { ...options, graphOptimizationLevel: 'disabled' } : options),
    prepare,
  };
  return provider;
}

async function prepareModel(
  options: InferenceSession.SessionOptions,
  source: ModelSource,
  path: string,
): Promise<void> {
  const session = (options.extra?.['session'] ?? {}) as Record<string, unknown>;
  const saving = await openSession(source, {
    ...options,
    optimizedModelFilePath: path,
    extra: {
      session: {
        ...session,
        optimized_model_external_initializers_file_name: `${path.slice(path.lastIndexOf('/') + 1)}.bin`,
        optimized_model_external_initializers_min_size_in_bytes: '1024',
        save_external_prepacked_constant_initializers: '1',
      },
    },
  });
  await saving.release();
  alignPrepacked(path);
}
