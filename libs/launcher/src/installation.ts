import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readReference } from '@madakv/hub';
import { BundledModelMissingError, NotInstalledError } from './launch.errors.js';

/** Root of the repository: as far from src as from dist. */
const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** The services that run beside Redis. */
export const SERVICES = ['budget', 'gateway', 'worker'] as const;
export type ServiceName = (typeof SERVICES)[number];

/** The program that a service starts from. */
export function servicePath(service: ServiceName): string {
  return join(ROOT, 'apps', service, 'dist', 'main.js');
}

/** The program that ends what a killed `up` left behind. */
export const ORPHAN_GUARD_PATH = join(ROOT, 'libs', 'launcher', 'dist', 'orphan.guard.js');

/** The reference model that comes with the project. */
export const BUNDLED_MODEL = join(ROOT, 'models', 'madakv-reader');

/** Documents and questions of `madakv demo`. */
export const DEMO_FOLDER = join(ROOT, 'examples', 'demo');

/** @throws NotInstalledError when a program was not built */
export function requireBuilt(): void {
  const missing = [...SERVICES.map(servicePath), ORPHAN_GUARD_PATH].filter((path) => !existsSync(path));
  if (missing.length === 0) return;
  throw new NotInstalledError(`not built yet: ${missing.join(', ')}; run \`make build\` first`);
}

/**
 * A model of the hub is the workers' to find.
 * @throws NotInstalledError when the folder holds no checkpoint
 */
export function requireModel(folder: string): void {
  if (readReference(folder) !== undefined) return;
  if (existsSync(join(folder, 'config.json'))) return;
  if (folder === BUNDLED_MODEL) throw new BundledModelMissingError(folder);
  throw new NotInstalledError(`${folder}: no checkpoint (there is no config.json)`);
}

/**
 * Where a system keeps everything: what was given, else $MADAKV_DATA, else ~/.local/share/madakv.
 * @param cwd what a relative path starts from
 */
export function dataFolderPath(given: string | undefined, cwd: string): string {
  const named = given ?? process.env['MADAKV_DATA'];
  if (named !== undefined && named !== '') return resolve(cwd, named);
  const share = process.env['XDG_DATA_HOME'];
  return join(share === undefined || share === '' ? join(homedir(), '.local', 'share') : share, 'madakv');
}
