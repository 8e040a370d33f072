import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Engine, type EngineOptions, type GenerationRequest } from '@madakv/engine';
import { createPolicy } from '@madakv/madakv';
import { openModel, type PreparedPrompt } from '@madakv/models';
import { cpuProvider } from '@madakv/onnx';
import { afterAll } from 'vitest';
import { requestFixtures, type RequestFixture } from './fixture.reader.js';

/** A cache folder for the tests of one file, removed after them. */
export function temporaryCache(): string {
  const dir = mkdtempSync(join(tmpdir(), 'madakv-test-'));
  afterAll(() => {
    rmSync(dir, { recursive: true, force: true });
  });
  return dir;
}

/** Opens an engine on a fixture's checkpoint; closed after the tests of the file. */
export async function loadEngine(
  checkpoint: string,
  cacheDir: string,
  options: Partial<EngineOptions> = {},
): Promise<Engine> {
  const engine = await Engine.load(openModel(checkpoint), cpuProvider(1), {
    precision: { kind: 'fp32' },
    cacheDir,
    ...options,
  });
  afterAll(() => engine.close());
  return engine;
}

export function fixture(name: string): RequestFixture {
  const found = requestFixtures().find((entry) => entry.name === name);
  if (found === undefined) throw new Error(`no fixture ${name}`);
  return found;
}

/** A greedy request on the full cache; `changes` on top. */
export function request(prompt: PreparedPrompt, changes: Partial<GenerationRequest> = {}): GenerationRequest {
  return { prompt, policy: createPolicy('full'), cacheRatio: 1, maxTokens: 12, stopIds: [], ...changes };
}

/** Largest difference over the largest magnitude expected. */
export function relativeError(actual: Float32Array, expected: Float32Array): number {
  let apart = 0;
  let largest = 0;
  expected.forEach((value, i) => {
    apart = Math.max(apart, Math.abs(value - actual[i]));
    largest = Math.max(largest, Math.abs(value));
  });
  return Number.isNaN(apart) ? Infinity : apart / largest;
}
