import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Engine, type EngineOptions } from '@madakv/engine';
import { openModel } from '@madakv/models';
import { cpuProvider, type ExecutionProvider } from '@madakv/onnx';
import { afterAll } from 'vitest';
import { requestFixtures, type RequestFixture } from './fixture.reader.js';

export { relativeError, request } from './engine.request.js';

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
  provider: ExecutionProvider = cpuProvider(1),
): Promise<Engine> {
  const engine = await Engine.load(openModel(checkpoint), provider, {
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
