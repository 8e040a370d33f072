import { env, InferenceSession, Tensor, type OnnxValue } from 'onnxruntime-node';
import type { CodeType } from './schema.js';

// What goes wrong is thrown as well; the runtime's own lines on stderr would only repeat it.
env.logLevel = 'fatal';

export { Tensor };

/** Feeds and results of a run, by name. */
export type Tensors = Record<string, Tensor>;

/** A graph that is ready to run. Runs of all sessions of a process must not overlap. */
export interface Session {
  /**
   * @param into tensors that results of these names are written into, which are then the results. A feed may be among them, where its
   *   operator writes into place. All outputs are to be given if any is, and none may be of {@link SessionSettings.onDevice}
   * @throws Error from ONNX Runtime when a feed has the wrong type or shape, or memory runs out
   */
  run(feeds: Tensors, into?: Tensors): Promise<Tensors>;
  /** Frees the session's weights and scratch memory. */
  release(): Promise<void>;
}

/** A model in memory (its external data lie in `folder`), or a file. */
export type ModelSource = { readonly bytes: Uint8Array; readonly folder?: string } | { readonly path: string };

export interface SessionSettings {
  /**
   * Run the graph as it is written: it was optimised by {@link ExecutionProvider.prepare}, or its operators were chosen with
   * care (fusing a transpose into a product can pick a slower kernel).
   */
  readonly asWritten?: boolean;
  /** Say nothing on stderr of runs that fail, where a failure is an answer. */
  readonly quiet?: boolean;
  /** Names of outputs that stay in the device's memory, where the provider can do so. Whoever runs the session frees them. */
  readonly onDevice?: readonly string[];
}

export type ProviderName = 'cpu' | 'webgpu' | 'cuda';

/** A device that graphs run on. */
export interface ExecutionProvider {
  readonly name: ProviderName;
  /** Results can stay in the device's memory and be fed to another run from there. */
  readonly keepsTensorsOnDevice: boolean;
  /** Names everything that a prepared model depends on: runtime version, provider, how matrices are packed for the processor. */
  signature(): Promise<string>;
  /**
   * Type of the right operand's codes with which integer products are exact here.
   * @throws ProviderUnavailableError when they are with neither
   */
  integerCodes(): Promise<CodeType>;
  /** Whether its device stores and computes float16 numbers, and caches can be made of them. */
  halfPrecision(): Promise<boolean>;
  createSession(source: ModelSource, settings?: SessionSettings): Promise<Session>;
  /**
   * Optimises a model once, ahead of time, and writes it to `path` (and `path` + '.bin'), so that later sessions map it into memory.
   * Absent when the provider has nothing to gain from it.
   */
  prepare?(source: ModelSource, path: string): Promise<void>;
}

/** The execution provider, or what was asked of it, cannot be used on this machine. The message says what to install or choose. */
export class ProviderUnavailableError extends Error {
  override readonly name = 'ProviderUnavailableError';
  constructor(
    readonly provider: ProviderName,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Options common to every provider; `intraOpThreads` 0 lets ONNX Runtime take all cores. */
export function commonOptions(intraOpThreads: number): InferenceSession.SessionOptions {
  return {
    enableMemPattern: false,
    // An arena a session would keep every stage's largest chunk for good; the system's allocator gives it back.
    enableCpuMemArena: false,
    intraOpNumThreads: intraOpThreads,
    logSeverityLevel: 3,
    // Many sessions take turns: a pool that goes on spinning steals its core from the next one (docs/adr/0001).
    extra: { session: { intra_op: { spin_duration_us: '50' } } },
  };
}

export async function openSession(source: ModelSource, options: InferenceSession.SessionOptions): Promise<Session> {
  const session =
    'path' in source
      ? await InferenceSession.create(source.path, options)
      : await InferenceSession.create(source.bytes, withFolder(options, source.folder));
  return {
    run: (feeds, into) => (into === undefined ? session.run(feeds).then(toTensors) : runInto(session, feeds, into)),
    release: () => session.release(),
  };
}

function withFolder(
  options: InferenceSession.SessionOptions,
  folder: string | undefined,
): InferenceSession.SessionOptions {
  if (folder === undefined) return options;
  const session = (options.extra?.['session'] ?? {}) as Record<string, unknown>;
  return {
    ...options,
    extra: { ...options.extra, session: { ...session, model_external_initializers_file_folder_path: folder } },
  };
}

/** A result in a device's memory is another view of the tensor given; one on the host is a copy, which is put where it was wanted. */
async function runInto(session: InferenceSession, feeds: Tensors, into: Tensors): Promise<Tensors> {
  const onHost = Object.values(into).every(({ location }) => location === 'cpu');
  if (!onHost) {
    release(await session.run(feeds, into));
    return into;
  }
  const results = toTensors(await session.run(feeds));
  for (const name in into) (into[name].data as Float32Array).set(results[name].data as Float32Array);
  return into;
}

function release(views: Readonly<Record<string, OnnxValue>>): void {
  for (const view of Object.values(views)) view.dispose();
}

function toTensors(results: Readonly<Record<string, OnnxValue>>): Tensors {
  return results;
}
