import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const CHART = join(ROOT, 'helm/madakv');

const FOLDER = process.env['MADAKV_TOOLS_CACHE'] ?? join(homedir(), '.cache/madakv/tools');

/** Folders of scripts/chart-tools.txt by name. */
const FOLDERS = new Map(
  readFileSync(join(ROOT, 'scripts/chart-tools.txt'), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(' '))
    .map(([name = '', version = '']) => [name, join(FOLDER, `${name}-${version}`)]),
);

/** @returns a path in the folder of one of the tools */
export function toolPath(name: string, path = ''): string {
  const folder = FOLDERS.get(name);
  if (folder === undefined) throw new Error(`${name} is not in scripts/chart-tools.txt`);
  return join(folder, path);
}

/** Whether all tools are there. Tests that need them are skipped where not, as they are built from Go modules: make check-chart. */
export const TOOLS_ARE_THERE = [...FOLDERS.values()].every((folder) => existsSync(folder));
/** For the names of such tests. */
export const NEEDS_TOOLS = TOOLS_ARE_THERE ? '' : ' (skipped: make check-chart builds the tools)';

export const HELM = { 3: toolPath('helm3', 'helm'), 4: toolPath('helm4', 'helm') } as const;
export type HelmVersion = keyof typeof HELM;
