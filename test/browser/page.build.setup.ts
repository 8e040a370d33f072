import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The services and the page are tested as they are built. */
export function setup(): void {
  const cwd = fileURLToPath(new URL('../..', import.meta.url));
  const built = spawnSync('npm', ['run', '--silent', 'build'], { cwd, encoding: 'utf8' });
  if (built.status !== 0) throw new Error(`${built.stdout}${built.stderr}`);
}
