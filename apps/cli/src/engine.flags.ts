import { Option, type Command } from 'commander';
import { Engine, modelPrecision, type EngineOptions, type HalfOrFull, type ModelPrecision } from '@madakv/engine';
import type { OpenModel, Precision } from '@madakv/models';
import { cpuProvider, cudaProvider, webgpuProvider, type ExecutionProvider, type ProviderName } from '@madakv/onnx';
import type { CommandIo } from './command.io.js';
import { wholeNumber } from './flag.values.js';
import { UsageError } from './exit.codes.js';
import { Progress } from './terminal/progress.js';

/** What every command that runs a model takes. */
export interface EngineFlags {
  readonly quant: 'none' | '8' | '4' | 'w8a8';
  readonly blockSize: string;
  readonly precision?: HalfOrFull;
  readonly kvCache: 'fp32' | 'int8';
  readonly provider: ProviderName;
  readonly threads?: number;
  readonly cacheDir?: string;
}

export function addEngineOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--quant <bits>', 'bits of the language model’s weights; w8a8 rounds activations to 8 bits too')
        .choices(['none', '8', '4', 'w8a8'])
        .default('none'),
    )
    .addOption(
      new Option('--block-size <weights>', 'weights that share a scale, with --quant 8 or 4')
        .choices(['16', '32', '64', '128', '256'])
        .default('64'),
    )
    .addOption(
      new Option(
        '--precision <type>',
        'of weights and cache where nothing else says otherwise; fp16 is for webgpu, and its default where the device has it',
      ).choices(['fp16', 'fp32']),
    )
    .addOption(
      new Option('--kv-cache <type>', 'how kept rows of the cache are stored')
        .choices(['fp32', 'int8'])
        .default('fp32'),
    )
    .addOption(new Option('--provider <name>', 'device').choices(['cpu', 'webgpu', 'cuda']).default('cpu'))
    .option('--threads <number>', 'threads of the cpu provider (default: all cores)', wholeNumber(1))
    .option('--cache-dir <folder>', 'where built models are kept (default: $MADAKV_CACHE, else ~/.cache/madakv)');
}

/**
 * How weights, vision tower and cache are stored.
 * @throws ProviderUnavailableError for fp16 where the provider or its device lacks it
 */
export function precisionOf(flags: EngineFlags, provider: ExecutionProvider): Promise<ModelPrecision> {
  return modelPrecision(flags.precision, provider, weightsOf(flags), flags.kvCache);
}

function weightsOf({ quant, blockSize }: EngineFlags): Precision {
  switch (quant) {
    case 'none':
      return { kind: 'fp32' };
    case 'w8a8':
      return { kind: 'w8a8' };
    case '8':
    case '4':
      return { kind: 'int', bits: quant === '8' ? 8 : 4, blockSize: Number(blockSize) };
  }
}

/** @throws ProviderUnavailableError that says what to install; UsageError for flags that exclude each other */
export async function openProvider({ provider, threads, kvCache }: EngineFlags): Promise<ExecutionProvider> {
  if (provider === 'webgpu' && kvCache !== 'fp32') {
    throw new UsageError(`--kv-cache ${kvCache} is for --provider cpu, not ${provider}`);
  }
  if (provider === 'cpu') return cpuProvider(threads ?? 0);
  if (threads !== undefined) throw new UsageError(`--threads is for --provider cpu, not ${provider}`);
  return provider === 'webgpu' ? webgpuProvider() : cudaProvider();
}

/** Builds and opens the model, with progress on stderr; stops between two graphs when told to. */
export async function loadEngine(
  model: OpenModel,
  flags: EngineFlags,
  io: CommandIo,
  settings: Pick<Partial<EngineOptions>, 'maxSequences' | 'maxGroup'> = {},
): Promise<Engine> {
  const provider = await openProvider(flags);
  io.signal.throwIfAborted();
  const progress = new Progress(io.stderr, 'building the model');
  try {
    return await Engine.load(model, provider, {
      ...(await precisionOf(flags, provider)),
      ...settings,
      ...(flags.cacheDir === undefined ? {} : { cacheDir: flags.cacheDir }),
      onProgress: (done, total) => {
        io.signal.throwIfAborted();
        progress.update(done, total);
      },
    });
  } finally {
    progress.clear();
  }
}
