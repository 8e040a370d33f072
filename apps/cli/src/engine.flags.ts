import { Option, type Command } from 'commander';
import { Engine } from '@madakv/engine';
import type { OpenModel, Precision } from '@madakv/models';
import { cpuProvider, cudaProvider, webgpuProvider, type ExecutionProvider, type ProviderName } from '@madakv/onnx';
import type { CommandIo } from './command.io.js';
import { wholeNumber } from './flag.values.js';
import { UsageError } from './exit.codes.js';
import { Progress } from './terminal/progress.js';

/** What every command that runs a model takes. */
export interface EngineFlags {
  readonly quant: 'none' | '8' | '4';
  readonly blockSize: string;
  readonly provider: ProviderName;
  readonly threads?: number;
  readonly cacheDir?: string;
}

export function addEngineOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--quant <bits>', 'bits of the language model’s weights').choices(['none', '8', '4']).default('none'),
    )
    .addOption(
      new Option('--block-size <weights>', 'weights that share a scale, with --quant 8 or 4')
        .choices(['16', '32', '64', '128', '256'])
        .default('64'),
    )
    .addOption(new Option('--provider <name>', 'device').choices(['cpu', 'webgpu', 'cuda']).default('cpu'))
    .option('--threads <number>', 'threads of the cpu provider (default: all cores)', wholeNumber(1))
    .option('--cache-dir <folder>', 'where built models are kept (default: $MADAKV_CACHE, else ~/.cache/madakv)');
}

export function precisionOf({ quant, blockSize }: Pick<EngineFlags, 'quant' | 'blockSize'>): Precision {
  return quant === 'none'
    ? { kind: 'fp32' }
    : { kind: 'int', bits: quant === '8' ? 8 : 4, blockSize: Number(blockSize) };
}

/** @throws ProviderUnavailableError that says what to install; UsageError for flags that exclude each other */
export async function openProvider({ provider, threads }: EngineFlags): Promise<ExecutionProvider> {
  if (provider === 'cpu') return cpuProvider(threads ?? 0);
  if (threads !== undefined) throw new UsageError(`--threads is for --provider cpu, not ${provider}`);
  return provider === 'webgpu' ? webgpuProvider() : cudaProvider();
}

/** Builds and opens the model, with progress on stderr; stops between two graphs when told to. */
export async function loadEngine(model: OpenModel, flags: EngineFlags, io: CommandIo): Promise<Engine> {
  const provider = await openProvider(flags);
  io.signal.throwIfAborted();
  const progress = new Progress(io.stderr, 'building the model');
  try {
    return await Engine.load(model, provider, {
      precision: precisionOf(flags),
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
