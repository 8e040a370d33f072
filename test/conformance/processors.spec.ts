import { execFile, spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { cpuProvider } from '@madakv/onnx';
import { build } from 'esbuild';
import { beforeAll, describe, expect, it } from 'vitest';
import { temporaryCache } from './engine.fixture.js';
import { precisionCases } from './precision.cases.js';
import type { ProcessorReport } from './precision.program.js';

const FIXTURE = 'qwen-plain text';
const EMULATOR = 'qemu-x86_64';
/** An emulated program is fifty times slower than a real one, and a busy machine slower still. */
const TIMEOUT_MS = 900_000;

/**
 * Processors by what ONNX Runtime finds on them: `Haswell` has AVX2 and no instructions for 8-bit products (sums of int8 codes are cut
 * off at 16 bits), `Nehalem` has no AVX at all.
 */
const processors = ['Haswell', 'Nehalem'];
/** What this one must have for models to be packed otherwise for it. */
const MORE_THAN: Readonly<Record<string, RegExp>> = { Haswell: /\b(avx512f|avx_vnni)\b/, Nehalem: /\bavx\b/ };

const dir = temporaryCache();
const program = join(dir, 'precision.program.mjs');
const missing = whatIsMissing();
const flags = missing === '' ? readFileSync('/proc/cpuinfo', 'utf8') : '';

beforeAll(async () => {
  if (missing !== '') return;
  await bundle(program);
});

describe.skipIf(missing !== '')(`on an older processor${missing}`, () => {
  const reports: ProcessorReport[] = [];

  describe.each(processors)('such as %s', (processor) => {
    let report: ProcessorReport;
    beforeAll(async () => {
      report = await runOn(processor);
      reports.push(report);
    }, TIMEOUT_MS);

    it.each(precisionCases)('$name stays near full precision', ({ name, tolerance }) => {
      expect(report.errors[name]).toBeLessThan(tolerance);
    });

    const alike = MORE_THAN[processor].test(flags) ? '' : ' (skipped: this machine’s computes as it does)';
    it.skipIf(alike !== '')(`a model built for it is not taken for one of this machine${alike}`, async () => {
      expect(report.signature).not.toBe(await cpuProvider(1).signature());
    });
  });

  it('models built for one are not taken for the other’s', () => {
    expect(new Set(reports.map(({ signature }) => signature)).size).toBe(processors.length);
  });
});

/** Why nothing can be emulated here, as an ending of a title; empty where it can. */
function whatIsMissing(): string {
  if (process.platform !== 'linux' || process.arch !== 'x64') return ' (skipped: needs Node for Linux on x64)';
  const { error } = spawnSync(EMULATOR, ['--version']);
  return error === undefined ? '' : ` (skipped: needs ${EMULATOR} of Debian’s package qemu-user)`;
}

/** One module, which finds the native ones and the fixtures where this one does. */
async function bundle(outfile: string): Promise<void> {
  const requireHere = createRequire(import.meta.url);
  await build({
    entryPoints: [fileURLToPath(new URL('./precision.program.ts', import.meta.url))],
    outfile,
    bundle: true,
    conditions: ['madakv-source'],
    platform: 'node',
    format: 'esm',
    target: 'node20',
    define: { 'import.meta.url': JSON.stringify(import.meta.url) },
    // For CommonJS packages in the bundle.
    banner: { js: `import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);` },
    plugins: [
      {
        name: 'native-modules',
        setup: (bundler) => {
          bundler.onResolve({ filter: /^(onnxruntime-node|sharp)$/ }, ({ path }) => ({
            path: requireHere.resolve(path),
            external: true,
          }));
        },
      },
    ],
    logLevel: 'error',
  });
}

/** Builds are kept in a folder of all processors, as they would be by machines that share one. */
async function runOn(processor: string): Promise<ProcessorReport> {
  const node = realpathSync(process.execPath);
  const { stdout } = await promisify(execFile)(EMULATOR, ['-cpu', processor, node, program, dir, FIXTURE], {
    timeout: TIMEOUT_MS,
  });
  return JSON.parse(stdout) as ProcessorReport;
}
