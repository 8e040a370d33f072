import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const LOOK_EVERY_MS = 50;

export type Service = 'budget' | 'gateway' | 'worker';
export type Environment = Readonly<Record<string, string>>;

/** What tests read of a process's end: its exit code, or the signal that ended it. */
export type ProcessEnd = number | NodeJS.Signals | null;

/** A built service as a process, which can be killed and started again with the same environment, ports included. */
export class ServiceProcess {
  private child: ChildProcess | undefined;
  private closed: Promise<unknown> = Promise.resolve();
  private written = '';

  constructor(
    readonly service: Service,
    readonly environment: Environment,
    private readonly readyUrl: string,
  ) {}

  /** Of the process that runs, or ran last. */
  get pid(): number {
    return this.child?.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.child?.exitCode === null && this.child.signalCode === null;
  }

  /** All that it has written since it was first started. */
  get output(): string {
    return this.written;
  }

  /** Starts it; resolves when it is ready, rejects with its output when it ends instead. */
  async start(): Promise<this> {
    this.spawn();
    await this.ready();
    return this;
  }

  /** Starts it without waiting for anything. */
  spawn(): void {
    const child = spawn(process.execPath, [`${ROOT}apps/${this.service}/dist/main.js`], {
      cwd: ROOT,
      env: { PATH: process.env['PATH'], ...this.environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece) => (this.written += String(piece)));
    this.child = child;
    this.closed = once(child, 'close');
  }

  async ready(): Promise<void> {
    while (!(await answers(this.readyUrl))) {
      if (!this.isRunning) throw new Error(`the ${this.service} ended:\n${this.written}`);
      await sleep(LOOK_EVERY_MS);
    }
  }

  /** Sends the signal and waits for the end. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<ProcessEnd> {
    if (this.isRunning) this.child?.kill(signal);
    await this.closed;
    return this.child?.signalCode ?? this.child?.exitCode ?? null;
  }

  /** Stops it where it stands (SIGSTOP), so that a look at what it has done is not out of date before it is killed. */
  freeze(): void {
    this.child?.kill('SIGSTOP');
  }

  /** Lets it go on. */
  thaw(): void {
    this.child?.kill('SIGCONT');
  }

  /** Kills it (SIGKILL) where it runs, and starts it again; resolves when it is ready. */
  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }
}

async function answers(url: string): Promise<boolean> {
  return fetch(url, { signal: AbortSignal.timeout(2_000) }).then(
    ({ ok }) => ok,
    () => false,
  );
}
