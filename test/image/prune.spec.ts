import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';

const PRUNE = fileURLToPath(new URL('../../deploy/prune.js', import.meta.url));

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'madakv-prune-'));
});
afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

function write(path: string, content: object | string = ''): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), typeof content === 'string' ? content : JSON.stringify(content));
}

it('leaves what runs, and nothing else', () => {
  write('package.json', { name: 'root', devDependencies: { linter: '1' } });
  write('apps/one/package.json', {
    name: '@x/one',
    files: ['dist', 'src/lua'],
    bin: { one: './bin/one.js' },
    dependencies: { '@x/used': '1', direct: '1' },
    devDependencies: { linter: '1' },
  });
  write('libs/used/package.json', { name: '@x/used', dependencies: { nested: '1' } });
  write('libs/testing/package.json', { name: '@x/testing' });
  write('node_modules/direct/package.json', {
    name: 'direct',
    optionalDependencies: { '@native/absent': '1', '@native/here': '1' },
    peerDependencies: { peer: '1', compiler: '1' },
    peerDependenciesMeta: { compiler: { optional: true } },
  });
  for (const name of ['peer', 'compiler', '@native/here', '@tools/only', 'onnxruntime-node']) {
    write(`node_modules/${name}/package.json`, { name, dependencies: {} });
  }
  write('libs/used/node_modules/nested/package.json', { name: 'nested', dependencies: { 'onnxruntime-node': '1' } });
  write('libs/used/node_modules/old/package.json', { name: 'old' });
  const machine = `node_modules/onnxruntime-node/bin/napi-v6/${process.platform}/${process.arch}/library.so`;
  const kept = [
    'apps/one/dist/main.js',
    'apps/one/src/lua/a.lua',
    'apps/one/bin/one.js',
    'libs/used/dist/index.js',
    'node_modules/direct/LICENSE',
    machine,
  ];
  const removed = [
    'apps/one/src/main.ts',
    'apps/one/tsconfig.json',
    'apps/one/dist/main.d.ts',
    'apps/one/dist/main.js.map',
    'libs/used/dist/.tsbuildinfo',
    'node_modules/direct/index.d.cts',
    'node_modules/onnxruntime-node/bin/napi-v6/another/x64/library.so',
    `node_modules/onnxruntime-node/bin/napi-v6/${process.platform}/another/library.so`,
  ];
  for (const path of [...kept, ...removed]) write(path, 'x');
  mkdirSync(join(root, 'node_modules/@x'));
  for (const name of ['used', 'testing']) symlinkSync(`../../libs/${name}`, join(root, 'node_modules/@x', name));

  const run = spawnSync(process.execPath, [PRUNE, root], { encoding: 'utf8' });
  expect(run.stderr).toBe('');
  const there = (path: string): boolean => existsSync(join(root, path));
  expect(kept.filter((path) => !there(path))).toEqual([]);
  expect(removed.filter(there)).toEqual([]);
  const packages = [
    'node_modules/@x/used',
    'node_modules/peer',
    'node_modules/@native/here',
    'libs/used/node_modules/nested',
  ];
  expect(packages.filter((path) => !there(join(path, 'package.json')))).toEqual([]);
  const gone = [
    'libs/testing',
    'node_modules/@x/testing',
    'node_modules/compiler',
    'node_modules/@tools',
    'libs/used/node_modules/old',
  ];
  expect(gone.filter(there)).toEqual([]);
  for (const path of ['package.json', 'apps/one/package.json']) {
    expect(readFileSync(join(root, path), 'utf8')).not.toContain('linter');
  }
});
