#!/usr/bin/env node
/*
 * Speed and memory of a device, as docs/benchmarks/gpu.md has them; test/bench/gpu.sh sets the driver up and calls it.
 *
 *   node test/bench/gpu.js [--software] [--parity passed] [--page docs/benchmarks/gpu.md]
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { performance } from 'node:perf_hooks';
import { URL } from 'node:url';
import { parseArgs } from 'node:util';
import { benchDevice, deviceBandwidthProbe } from '../../libs/bench/dist/index.js';
import { webgpuProvider } from '../../libs/onnx/dist/index.js';

const { values: flags } = parseArgs({
  options: {
    software: { type: 'boolean', default: false },
    parity: { type: 'string', default: 'not run' },
    page: { type: 'string' },
  },
});

/** No measurement begins later than this. */
const BUDGET_MS = 300_000;
const startedAt = performance.now();
const timeLeft = () => performance.now() - startedAt < BUDGET_MS;

const common = { steps: 8, jobs: 100, chunkTokens: 512 };
const plan = flags.software
  ? {
      ...common,
      shape: 'madakv-reader',
      layers: 3,
      contexts: [256],
      ratios: [0.2, 1],
      widths: [1, 4],
      steps: 3,
    }
  : {
      ...common,
      shape: 'qwen2.5-vl-3b',
      layers: 8,
      contexts: [4_096, 8_192, 16_384, 32_768],
      ratios: [0.05, 0.2, 0.5, 1],
      widths: [1, 4, 8],
    };

const provider = await webgpuProvider();
const half = await provider.halfPrecision();
const kvPrecision = half ? 'fp16' : 'fp32';
const formats = [
  half
    ? { precision: { kind: 'fp16' }, kvPrecision, bytesPerWeight: 2.25 }
    : { precision: { kind: 'fp32' }, kvPrecision, bytesPerWeight: 4 },
  { precision: { kind: 'int', bits: 4, blockSize: 32 }, kvPrecision, bytesPerWeight: 0.5 + 4 / 32 },
];

const bandwidth = await measureBandwidth();
const reports = [];
for (const format of formats) {
  if (!timeLeft()) break;
  reports.push(await benchDevice(provider, format, plan, (message) => console.error(message)));
}
const page = render();
if (flags.page === undefined) console.log(page);
else writeFileSync(flags.page, page);

async function measureBandwidth() {
  const probe = await deviceBandwidthProbe(provider, flags.software ? 1 << 22 : 1 << 26);
  const times = [];
  for (let round = 0; round < 6; round++) {
    const started = performance.now();
    await probe.run();
    if (round > 0) times.push(performance.now() - started);
  }
  await probe.release();
  return probe.bytes / Math.min(...times) / 1e6;
}

function deviceName() {
  try {
    const query = ['--query-gpu=name,driver_version', '--format=csv,noheader'];
    return execFileSync('nvidia-smi', query, { encoding: 'utf8' }).trim();
  } catch {
    const icd = process.env.VK_ICD_FILENAMES;
    if (icd === undefined) return 'the device that the Vulkan loader found';
    return JSON.parse(readFileSync(icd, 'utf8')).ICD.library_path.split('/').at(-1);
  }
}

function render() {
  const row = (cells) => `| ${cells.join(' | ')} |\n`;
  const table = (head, rows) => row(head) + row(head.map(() => '---')) + rows.map(row).join('');
  const share = (ratio) => `${Number((100 * ratio).toFixed(1))} %`;
  const mib = (bytes) => (bytes / 2 ** 20).toFixed(2);
  const sections = reports.map(
    ({ precision, prefills, decodes, jobs }) =>
      `## Weights ${precision}\n\n` +
      table(
        ['prompt', 'cache kept', 'prefill, tokens/s', 'GFLOP/s', 'cache MiB at most', 'after eviction'],
        prefills.map((each) => [
          each.tokens,
          share(each.ratio),
          each.tokensPerSecond.toFixed(0),
          each.gflops.toFixed(1),
          mib(each.peakBytes),
          mib(each.keptBytes),
        ]),
      ) +
      '\n' +
      table(
        ['prompt', 'cache kept', 'sequences', 'ms a step', 'GB/s of weights and cache', 'of bandwidth'],
        decodes.map((each) => [
          each.tokens,
          share(each.ratio),
          each.width,
          each.stepMs.toFixed(1),
          each.gigabytesPerSecond.toFixed(2),
          share(each.gigabytesPerSecond / bandwidth),
        ]),
      ) +
      `\n${jobs.count} prompts one after the other: ${mib(jobs.peakBytes)} MiB of cache at most, ${share(jobs.peakOverLease)} of a prefill's lease at most, ${jobs.leftBytes} bytes left.\n`,
  );
  const what = flags.software
    ? '**No GPU was measured.** These figures are of a Vulkan driver in software, with a small shape: they show that everything runs, not how fast a GPU is.'
    : 'Random weights of the shape below.';
  return (
    `# Speed on a GPU\n\n${what}\n\n` +
    `\`bash test/bench/gpu.sh\` measures and writes this page, in less than ten minutes, on whatever GPU is there.\n\n` +
    table(
      ['', ''],
      [
        ['device', deviceName()],
        ['processor', `${cpus().at(0)?.model.trim() ?? 'unknown'}, ${cpus().length} cores`],
        ['versions', `Node ${process.versions.node}, ${runtime()}`],
        ['shape', `${plan.shape}${plan.layers === undefined ? '' : `, ${plan.layers} layers`}`],
        ['bandwidth', `${bandwidth.toFixed(1)} GB/s, reading and writing 32-bit numbers on the device`],
        ['parity with the reference (test/gpu)', flags.parity],
      ],
    ) +
    '\n' +
    sections.join('\n')
  );
}

function runtime() {
  const { version } = JSON.parse(
    readFileSync(new URL('../../node_modules/onnxruntime-node/package.json', import.meta.url)),
  );
  return `onnxruntime-node ${version}`;
}
