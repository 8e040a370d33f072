import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { bindLine, chrootLines, inNamespace, outputOf, overlayLine, quote, run, type ChrootCommand } from './chroot.js';
import { layersOf, type Image } from './image.builder.js';

export interface RunOptions {
  /** After the entry point. */
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Folders of this machine for the image's volumes, by path; they get the rights that the image gives the path. */
  readonly volumes?: Readonly<Record<string, string>>;
  /** uid:gid instead of the image's user. */
  readonly user?: string;
  /** Instead of the entry point. */
  readonly entrypoint?: readonly string[];
}

/**
 * A process from an image as a strict cluster would run it: the root is read-only but for volumes and /tmp, the image's user
 * has no capabilities and cannot get any. It shares this machine's network.
 *
 * @param at an empty folder for the place of the root
 */
function commandLine(image: Image, at: string, options: RunOptions): string[] {
  const { config } = image;
  const { args, env = {}, user = config.user, entrypoint = config.entrypoint } = options;
  const volumes: Partial<Record<string, string>> = options.volumes ?? {};
  const command: ChrootCommand = {
    env: { HOME: '/tmp', ...config.env, ...env },
    workdir: config.workdir,
    command: [...entrypoint, ...args],
    user,
  };
  return inNamespace([
    overlayLine(layersOf(image), at),
    ...config.volumes.flatMap((target) => {
      const source = volumes[target];
      const path = quote(at + target);
      const like = `$(stat -c 'uid=%u,gid=%g,mode=%a' ${path})`;
      return source === undefined ? [`mount -t tmpfs -o "${like}" tmpfs ${path}`] : [bindLine({ source, target }, at)];
    }),
    `mount -t tmpfs -o mode=1777 tmpfs ${quote(`${at}/tmp`)}`,
    ...chrootLines(at, command),
  ]);
}

/** Runs a program of the image to its end. @throws Error with its output when it fails */
export function runInImage(
  image: Image,
  at: string,
  command: readonly string[],
  options: Partial<RunOptions> = {},
): Promise<string> {
  return run(commandLine(image, at, { ...options, entrypoint: command, args: options.args ?? [] }));
}

/** A service that runs from an image. It is process 1 of its own, as in a container without an init process. */
export class ImageProcess {
  private readonly child: ChildProcess;
  readonly output: () => string;

  constructor(image: Image, at: string, options: RunOptions) {
    const [program, ...args] = ['unshare', '--pid', '--fork', '--kill-child', ...commandLine(image, at, options)];
    this.child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.output = outputOf(this.child);
  }

  get ended(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** Sends the signal and waits; resolves with the exit code, 128 and more where a signal ended it. */
  async end(signal: NodeJS.Signals): Promise<number> {
    if (!this.ended) {
      const gone = once(this.child, 'exit');
      const { pid } = this.child;
      // What waits for the process passes no signal on.
      const [first = ''] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ');
      if (first !== '') process.kill(Number(first), signal);
      await gone;
    }
    const { exitCode, signalCode } = this.child;
    return exitCode ?? 128 + constants.signals[signalCode ?? 'SIGKILL'];
  }
}

/** Gives a folder the rights that the image gives its volumes. */
export function asVolume(folder: string): string {
  chownSync(folder, 1000, 0);
  chmodSync(folder, 0o2770);
  return folder;
}
