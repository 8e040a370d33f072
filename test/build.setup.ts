import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Compiles what the tests start as processes, once for all files, which would overwrite it for each other. Nothing happens when that is up to date. */
export function setup(): void {
  const apps = ['budget', 'cli', 'gateway', 'worker'].map((app) => `${ROOT}apps/${app}`);
  const built = spawnSync(process.execPath, [`${ROOT}node_modules/typescript/bin/tsc`, '-b', ...apps], {
    encoding: 'utf8',
  });
  if (built.status !== 0) throw new Error(built.stdout);
}
