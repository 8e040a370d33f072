import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

/** What is used of the development dependency esbuild. */
interface Esbuild {
  buildSync(options: Record<string, unknown>): { outputFiles: { path: string; contents: Uint8Array }[] };
}

const MODULES = ['raster.child', 'raster.thread'];

let built: URL | undefined;

/**
 * The module that a rasterising process starts with. Where this package runs from its sources, as in tests, it and its
 * thread are compiled first, under `dist/`.
 */
export function rasterEntry(): URL {
  if (!import.meta.url.endsWith('.ts')) return new URL('./raster.child.js', import.meta.url);
  built ??= compile();
  return built;
}

function compile(): URL {
  const esbuild = createRequire(import.meta.url)('esbuild') as Esbuild;
  const out = new URL('../../dist/from-sources/', import.meta.url);
  mkdirSync(out, { recursive: true });
  const { outputFiles } = esbuild.buildSync({
    entryPoints: MODULES.map((name) => fileURLToPath(new URL(`./${name}.ts`, import.meta.url))),
    outdir: fileURLToPath(out),
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node20',
    write: false,
  });
  for (const { path, contents } of outputFiles) {
    // Others may be doing the same at this moment.
    writeFileSync(`${path}.${process.pid}`, contents);
    renameSync(`${path}.${process.pid}`, path);
  }
  return new URL('raster.child.js', out);
}
