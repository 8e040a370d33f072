import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Module } from 'node:module';
import { dirname } from 'node:path';
import type * as xgrammar from '@mlc-ai/web-xgrammar';

export type XGrammar = typeof xgrammar;

/** What Node's loader does with the text of a CommonJS file. */
interface CommonJsModule {
  exports: unknown;
  filename: string;
  paths: string[];
  _compile(code: string, filename: string): void;
}

const PACKAGE = '@mlc-ai/web-xgrammar';

/**
 * Loads the library, which is WebAssembly inside of a script. Its package says that it has ES modules, but the file is a
 * script of the older kind, which neither `import` nor `require` takes from there: it is compiled under a name that says
 * so. Each call gives an instance with a memory of its own, so that one that has broken can be replaced.
 */
export function loadXGrammar(): XGrammar {
  const file = createRequire(import.meta.url).resolve(PACKAGE);
  const name = file.replace(/\.js$/, '.cjs');
  const module = new Module(name) as unknown as CommonJsModule;
  module.filename = name;
  module.paths = [dirname(file)];
  module._compile(readFileSync(file, 'utf8'), name);
  return module.exports as XGrammar;
}
