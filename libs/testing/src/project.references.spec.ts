import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const WORKSPACES = ['libs', 'apps'].flatMap((house) =>
  readdirSync(join(ROOT, house))
    .map((name) => `${house}/${name}`)
    .filter((folder) => existsSync(join(ROOT, folder, 'package.json'))),
);
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const FOLDER_OF = new Map(
  WORKSPACES.map((folder) => [(JSON.parse(read(`${folder}/package.json`)) as { name: string }).name, folder]),
);

/** Workspaces that a workspace's sources, tests among them, name in imports. */
function imported(folder: string): Set<string> {
  const files = readdirSync(join(ROOT, folder, 'src'), { recursive: true, encoding: 'utf8' });
  const texts = files.filter((name) => /\.tsx?$/.test(name)).map((name) => read(join(folder, 'src', name)));
  const names = texts.flatMap((text) => [...text.matchAll(/from '(@madakv\/[\w-]+)/g)].map(([, name]) => name));
  return new Set(names.flatMap((name) => FOLDER_OF.get(name) ?? []));
}

// Without the reference it is compiled only where the other happens to be there already, which a fresh clone's is not.
it.each(WORKSPACES)('the tsconfig.json of %s refers to what it imports', (folder) => {
  const paths = [...read(`${folder}/tsconfig.json`).matchAll(/"path": "([^"]+)"/g)];
  const references = new Set(paths.map(([, path]) => normalize(join(folder, path))));
  expect([...imported(folder)].filter((other) => other !== folder && !references.has(other))).toEqual([]);
});
