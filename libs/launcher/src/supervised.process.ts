import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { NotInstalledError, ProcessEndedError } from './launch.errors.js';
import { lastWords } from './log.line.js';
import { identityOf, type ProcessIdentity } from './process.identity.js';
import { ProcessLog } from './process.log.js';

const LOOK_EVERY_MS = 100;
/** Lines of its log that are looked through for why a process ended, and how many of them a report carries. */
const LAST_LINES = 20;
const REPORTED_LINES = 3;

export interface ProcessPlan {
  /** For people: gateway, worker-1. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Folder that it runs in; this process's own by default. */
  readonly cwd?: string;
  readonly logPath: string;
  /** Whether it does its work. Asked again and again until it is; may reject, which means no. */
  readonly isReady: () => Promise<boolean>;
  /** Time to end by itself when asked to. */
  readonly graceMs: number;
  /** Pauses before the first, second, ... restart in a row; none: its end is the end of the system. */
  readonly restartPausesMs: readonly number[];
  /** After running for this long a death counts as the first again. */
  readonly steadyMs: number;
  /** What to say when there is no such command. */
  readonly missing?: string;
}

export interface ProcessEvents {
  readonly onLine: (text: string) => void;
  readonly onStarted: (process: ProcessIdentity, graceMs: number) => void;
  readonly onEnded: (pid: number) => void;
  /** It died and will be started again. */
  readonly onRestart: (reason: string, pauseMs: number) => void;
  /** It died and will not be started again. */
  readonly onGivenUp: (error: Error) => void;
}

/** A child process that is started again when it dies, up to a point. */
export class SupervisedProcess {
  private child: ChildProcess | undefined;
  private ended: Promise<string> = Promise.resolve('never started');
  private stopping = false;
  private readonly halt = new AbortController();
  private readonly lastLines: string[] = [];
  private readonly log: ProcessLog;
  private deathsInRow = 0;

  constructor(
    private readonly plan: ProcessPlan,
    private readonly events: ProcessEvents,
  ) {
    this.log = new ProcessLog(plan.logPath, (reason) => {
      events.onLine(`the log ${plan.logPath} cannot be written any more: ${reason}`);
    });
  }

  get name(): string {
    return this.plan.name;
  }

  /** Of the process that runs now. */
  get pid(): number | undefined {
    return this.child?.pid;
  }

  /**
   * Starts it; resolves when it is ready.
   * @throws ProcessEndedError when it ends before, with the last lines that it wrote; NotInstalledError
   */
  async start(signal: AbortSignal): Promise<void> {
    this.launch();
    const gone = this.ended.then((reason) => {
      throw this.error(reason);
    });
    const ready = this.ready(signal);
    await Promise.race([gone, ready]);
    void this.supervise();
  }

  /** Asks it to end and kills it after its grace. Resolves when it has ended. */
  async stop(graceMs = this.plan.graceMs): Promise<void> {
    this.stopping = true;
    this.halt.abort();
    const { child } = this;
    if (child !== undefined && isRunning(child)) {
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
      await this.ended;
      clearTimeout(timer);
    }
    await this.log.end();
  }

  /** Kills it at once, without waiting. */
  kill(): void {
    this.stopping = true;
    this.halt.abort();
    this.child?.kill('SIGKILL');
  }

  private launch(): void {
    const { command, args, env, cwd } = this.plan;
    // In a group of its own: Ctrl-C on a terminal goes to this process alone, which ends the others in order.
    const child = spawn(command, args, { env, cwd, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    this.child = child;
    const { pid } = child;
    const identity = pid === undefined ? undefined : identityOf(pid);
    if (identity !== undefined) this.events.onStarted(identity, this.plan.graceMs);
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => {
        this.heed(line);
      });
    }
    this.ended = new Promise((resolve) => {
      child.once('error', (error: NodeJS.ErrnoException) => {
        const { missing } = this.plan;
        resolve(error.code === 'ENOENT' && missing !== undefined ? missing : error.message);
      });
      // After its output has been read, so that its last words stand in the report.
      child.once('close', (code, signal) => {
        if (pid !== undefined) this.events.onEnded(pid);
        resolve(signal === null ? `it ended with exit code ${code ?? 'unknown'}` : `it was ended by ${signal}`);
      });
    });
  }

  private heed(line: string): void {
    if (line.trim() === '') return;
    this.log.write(line);
    this.lastLines.push(line);
    if (this.lastLines.length > LAST_LINES) this.lastLines.shift();
    this.events.onLine(line);
  }

  private async ready(signal: AbortSignal): Promise<void> {
    const { child } = this;
    while (child !== undefined && isRunning(child)) {
      signal.throwIfAborted();
      if (await this.plan.isReady().catch(() => false)) return;
      await pause(LOOK_EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
    await this.ended;
    throw this.error(await this.ended);
  }

  private async supervise(): Promise<void> {
    for (;;) {
      const since = performance.now();
      const reason = await this.ended;
      if (this.stopping) return;
      if (performance.now() - since >= this.plan.steadyMs) this.deathsInRow = 0;
      const pauses = this.plan.restartPausesMs;
      if (this.deathsInRow >= pauses.length) {
        const again = pauses.length === 0 ? '' : ` (${pauses.length + 1} times in a row)`;
        this.events.onGivenUp(this.error(`${reason}${again}`));
        return;
      }
      const pauseMs = pauses[this.deathsInRow++];
      this.events.onRestart(reason, pauseMs);
      await pause(pauseMs, undefined, { signal: this.halt.signal }).catch(() => undefined);
      // Not narrowed: stop() may have been called meanwhile.
      if (this.halt.signal.aborted) return;
      this.launch();
    }
  }

  private error(reason: string): Error {
    if (reason === this.plan.missing) return new NotInstalledError(reason);
    const words = this.lastLines.length === 0 ? '' : `; it said: ${lastWords(this.lastLines, REPORTED_LINES)}`;
    return new ProcessEndedError(`${this.plan.name}: ${reason}${words}; its log is ${this.plan.logPath}`);
  }
}

function isRunning(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null;
}
