import { Option, type Command } from 'commander';
import { benchDecode, benchPrefill, benchSelect, shapes, type DecodeBenchReport } from '@madakv/bench';
import { policies } from '@madakv/madakv';
import type { CommandIo } from './command.io.js';
import type { ExecutionProvider } from '@madakv/onnx';
import { addEngineOptions, openProvider, precisionOf, type EngineFlags } from './engine.flags.js';
import { ratio, wholeNumber } from './flag.values.js';
import { textTable } from './terminal/text.table.js';
import { formatBytes, formatCount } from '@madakv/insight';

/** Flags of every benchmark of a decoder. */
interface ShapeFlags extends EngineFlags {
  readonly shape: string;
  readonly layers?: number;
  readonly json?: true;
}

interface PrefillFlags extends ShapeFlags {
  readonly tokens: number;
  readonly questionTokens: number;
  readonly chunkTokens: number;
  readonly cacheRatio: number;
  readonly policy: string;
  readonly rounds: number;
}

interface SelectFlags {
  readonly tokens: number;
  readonly heads: number;
  readonly layers: number;
  readonly cacheRatio: number;
  readonly rounds: number;
  readonly json?: true;
}

interface DecodeFlags extends ShapeFlags {
  readonly context: number;
  readonly cacheRatio: number;
  readonly width: number;
  readonly rounds: number;
}

/** The group `bench`: one subcommand a benchmark of libs/bench, each prints its ratios from one run. */
export function registerBench(program: Command, io: CommandIo): void {
  const bench = program
    .command('bench')
    .description('Measure speed on this machine, with random weights of a published shape.')
    .addHelpText(
      'after',
      `
Examples:
  madakv bench decode --shape llava-1.5-7b --layers 4 --quant 4 --context 8192
  madakv bench prefill --shape qwen2.5-vl-3b --layers 3 --tokens 4096
  madakv bench select`,
    );
  registerDecode(bench, io);
  registerPrefill(bench, io);
  registerSelect(bench, io);
}

function registerPrefill(bench: Command, io: CommandIo): void {
  shapeCommand(bench, 'prefill', 'Prefill against the machine’s peak, with and without eviction, in both orders.')
    .option('--tokens <number>', 'tokens of the prompt', wholeNumber(64), 4096)
    .option('--question-tokens <number>', 'how many of them are the question', wholeNumber(1), 32)
    .option('--chunk-tokens <number>', 'tokens that pass a layer at once', wholeNumber(1), 512)
    .option('--cache-ratio <share>', 'share of the cache that is kept', ratio, 0.2)
    .addOption(new Option('--policy <name>', 'eviction policy').choices(Object.keys(policies)).default('madakv'))
    .option('--rounds <number>', 'measured prefills in each order', wholeNumber(1), 3)
    .action(async (flags: PrefillFlags) => {
      const provider = await openProvider(flags);
      const report = await benchPrefill(
        provider,
        {
          ...(await shapeOptions(flags, provider)),
          tokens: flags.tokens,
          questionTokens: flags.questionTokens,
          chunkTokens: flags.chunkTokens,
          ratio: flags.cacheRatio,
          policy: flags.policy,
          rounds: flags.rounds,
        },
        progressOf(io),
      );
      const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;
      io.stdout.write(
        flags.json === true
          ? `${JSON.stringify(report)}\n`
          : `${report.shape}, ${report.layers} layers, ${formatCount(report.tokens)} tokens in chunks of ${report.chunkTokens}, ` +
              `the last ${formatCount(report.questionTokens)} of them the question\n` +
              `${report.tokensPerSecond.toFixed(0)} tokens/s, ${report.gflops.toFixed(0)} GFLOP/s, ` +
              `${percent(report.ofPeak)} of a float32 product's ${report.peakGflops.toFixed(0)}\n` +
              `scoring and selecting take ${percent(report.extraWork)} on top; layer-major takes ` +
              `${report.layerOverChunkMajor.toFixed(3)}x the time of chunk-major\n` +
              `cache at its peak: ${formatBytes(report.peakKvBytes.layerMajor)} layer-major, ` +
              `${formatBytes(report.peakKvBytes.chunkMajor)} chunk-major\n`,
      );
    });
}

function registerSelect(bench: Command, io: CommandIo): void {
  bench
    .command('select')
    .description('Time that policies take to choose what to keep.')
    .option('--tokens <number>', 'tokens of the prompt', wholeNumber(64), 32_768)
    .option('--heads <number>', 'key-value heads a layer', wholeNumber(1), 4)
    .option('--layers <number>', 'layers', wholeNumber(1), 28)
    .option('--cache-ratio <share>', 'share of the cache that is kept', ratio, 0.2)
    .option('--rounds <number>', 'measured selections', wholeNumber(1), 7)
    .option('--json', 'print one JSON object')
    .action((flags: SelectFlags) => {
      const names = Object.keys(policies).filter((name) => name !== 'full');
      const rows = benchSelect({ ...flags, ratio: flags.cacheRatio, policies: names });
      io.stdout.write(
        flags.json === true
          ? `${JSON.stringify(rows)}\n`
          : `${formatCount(flags.tokens)} tokens, ${flags.heads} heads, ${flags.layers} layers\n` +
              textTable(
                ['policy', 'ms', 'rows kept'],
                rows.map(({ policy, medianMs, keptRows }) => [policy, medianMs.toFixed(1), formatCount(keptRows)]),
              ),
      );
    });
}

function registerDecode(bench: Command, io: CommandIo): void {
  const command = shapeCommand(
    bench,
    'decode',
    'Decode steps with full cache, a share of it, and against memory bandwidth.',
  )
    .option('--context <tokens>', 'tokens of full cache', wholeNumber(1), 8192)
    .option('--cache-ratio <share>', 'share of the cache that is kept in the comparison', ratio, 0.2)
    .option('--width <sequences>', 'sequences that decode together', wholeNumber(1), 1)
    .option('--rounds <number>', 'measured steps', wholeNumber(1), 10);
  command
    .addHelpText(
      'after',
      `
Examples:
  madakv bench decode --shape llava-1.5-7b --layers 4 --quant 4 --context 8192
  madakv bench decode --shape qwen2.5-vl-3b --layers 6 --quant 4 --context 32768 --json`,
    )
    .action(async (flags: DecodeFlags) => {
      const provider = await openProvider(flags);
      const report = await benchDecode(
        provider,
        {
          ...(await shapeOptions(flags, provider)),
          context: flags.context,
          ratio: flags.cacheRatio,
          width: flags.width,
          rounds: flags.rounds,
        },
        progressOf(io),
      );
      io.stdout.write(flags.json === true ? `${JSON.stringify(report)}\n` : decodeTable(report));
    });
}

/** A subcommand with the flags that all benchmarks of a decoder share. */
function shapeCommand(bench: Command, name: string, description: string): Command {
  const command = bench
    .command(name)
    .description(description)
    .addOption(new Option('--shape <name>', 'shape of the decoder').choices(Object.keys(shapes)).makeOptionMandatory())
    .option('--layers <number>', 'fewer layers than the shape has', wholeNumber(1))
    .option('--json', 'print one JSON object');
  return addEngineOptions(command);
}

async function shapeOptions(flags: ShapeFlags, provider: ExecutionProvider) {
  return {
    shape: flags.shape,
    ...(await precisionOf(flags, provider)),
    ...(flags.layers === undefined ? {} : { layers: flags.layers }),
    ...(flags.cacheDir === undefined ? {} : { cacheDir: flags.cacheDir }),
  };
}

/** Writes what a benchmark is doing to stderr; stops it between two of its parts when told to. */
function progressOf(io: CommandIo): (message: string) => void {
  return (message) => {
    io.signal.throwIfAborted();
    io.stderr.write(`${message}\n`);
  };
}

function decodeTable(report: DecodeBenchReport): string {
  const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;
  const row = (name: string, figures: DecodeBenchReport['full']): (string | number)[] => [
    name,
    formatCount(figures.tokens),
    formatBytes(figures.cacheBytes),
    figures.stepMs.toFixed(1),
    percent(figures.stepOfBandwidth),
    figures.attentionMs.toFixed(1),
    percent(figures.attentionOfBandwidth),
  ];
  const head = ['cache', 'tokens', 'bytes', 'step ms', 'of bandwidth', 'attention ms', 'of bandwidth'];
  return (
    `${report.shape}, ${report.layers} layers, ${formatBytes(report.weightBytes)} of weights, ` +
    `${report.bandwidthGBs.toFixed(1)} GB/s\n` +
    textTable(head, [row('full', report.full), row('kept', report.kept)]) +
    `speed-up ${report.speedup.toFixed(2)}x; attention with past in and present out takes ` +
    `${report.againstPastPresent.toFixed(1)}x as long\n`
  );
}
