import { cpus } from 'node:os';
import { env, type InferenceSession } from 'onnxruntime-node';
import { alignPrepacked } from './prepacked.layout.js';
import { commonOptions, openSession, type ExecutionProvider } from './provider.js';

/**
 * The processor, through ONNX Runtime's default provider. Inputs are read in place; outputs are copied to JavaScript.
 * @param intraOpThreads threads one operator may use; 0 for all cores
 */
export function cpuProvider(intraOpThreads = 0): ExecutionProvider {
  const options: InferenceSession.SessionOptions = { ...commonOptions(intraOpThreads), executionProviders: ['cpu'] };
  return {
    name: 'cpu',
    keepsTensorsOnDevice: false,
    signature: `cpu/${env.versions.node ?? env.versions.common}/${process.arch}/${cpus()[0]?.model ?? 'unknown'}`,
    createSession: (source, settings = {}) =>
      openSession(source, settings.asWritten === true ? { ...options, graphOptimizationLevel: 'disabled' } : options),
    prepare: async (source, path) => {
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
    },
  };
}
