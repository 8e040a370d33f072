import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

/** What is used of the development dependency esbuild. */
interface Esbuild {
  buildSync(options: Record<string, unknown>): { outputFiles: { path: string; contents: Uint8Array }[] };
}

let built: URL | undefined;

/**
 * The module that the engine's thread starts with. Where this package runs from its sources, as in tests, it is compiled
 * first, together with the workspace's sources that it needs, under `dist/`.
 */
export function threadEntry(): URL {
  if (!import.meta.url.endsWith('.ts')) return new URL('./engine.thread.js', import.meta.url);
  built ??= compile();
  return built;
}

function compile(): URL {
  const esbuild = createRequire(import.meta.url)('esbuild') as Esbuild;
  const out = new URL('../../dist/from-sources/', import.meta.url);
  mkdirSync(out, { recursive: true });
  const { outputFiles } = esbuild.buildSync({
    entryPoints: [fileURLToPath(new URL('./engine.thread.ts', import.meta.url))],
    outdir: fileURLToPath(out),
    bundle: true,
    conditions: ['madakv-source'],
    // Native modules load files beside themselves.
    external: ['onnxruntime-node', 'sharp'],
    // For CommonJS packages in the bundle.
    banner: {
      js: `import { createRequire as requireIn } from 'node:module'; const require = requireIn(import.meta.url);`,
    },
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
  return new URL('engine.thread.js', out);
}
