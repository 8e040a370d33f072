import { availableParallelism } from 'node:os';
import { DataFolder, type RunningSystem } from './data.folder.js';
import { requireBuilt, requireModel } from './installation.js';
import { localRedisUrl, redisPlan } from './local.redis.js';
import type { LogLine } from './log.line.js';
import { OrphanWatch } from './orphan.watch.js';
import { freePorts, requireFree } from './ports.js';
import type { ProcessIdentity } from './process.identity.js';
import { budgetPlan, gatewayPlan, modelIdOf, urlHost, workerPlan, type ServiceContext } from './service.plans.js';
import { SupervisedProcess, type ProcessPlan } from './supervised.process.js';

/** Without Redis nobody can hand back what it holds; waiting for it would be in vain. */
const GRACE_WITHOUT_REDIS_MS = 2_000;

export interface LocalSystemOptions {
  /** Folder that everything is kept in; one system at a time runs on it. */
  readonly dataFolder: string;
  /** Checkpoint folder that the workers serve. */
  readonly model: string;
  /** Worker processes. 1 by default. */
  readonly workers?: number;
  /** Of the gateway; 0, the default, takes any that is free. */
  readonly port?: number;
  /** Address that the gateway listens on; 127.0.0.1 by default. */
  readonly host?: string;
  /** A Redis that runs already; without one the system starts its own. */
  readonly redisUrl?: string;
  /** Variables for all services, above this process's own and below those that the system sets itself. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly onLine?: (line: LogLine) => void;
  /** Told what the system does, for people. */
  readonly onNote?: (note: SystemNote) => void;
  /** Stops the start. What was started until then is ended in order. */
  readonly signal?: AbortSignal;
}

export type SystemNote =
  | { readonly kind: 'starting' | 'ready' | 'stopping' | 'stopped'; readonly process: string }
  | { readonly kind: 'restarting'; readonly process: string; readonly reason: string; readonly pauseMs: number };

/** Redis, budget service, gateway and workers on this machine, as child processes. */
export class LocalSystem implements RunningSystem {
  private readonly running: { process: SupervisedProcess; identity?: ProcessIdentity & { graceMs: number } }[] = [];
  private readonly watch = new OrphanWatch();
  private readonly onExit = (): void => {
    this.kill();
  };
  private stopped: Promise<void> | undefined;
  private redisIsGone = false;
  private tellFailure: (error: Error) => void = () => undefined;

  /** Resolves when the system cannot go on: Redis has ended, or a service died again and again. Call `stop` then, too. */
  readonly failure: Promise<Error>;
  readonly apiKey: string;
  readonly model: string;
  private address = '';

  private constructor(
    private readonly folder: DataFolder,
    private readonly options: LocalSystemOptions,
  ) {
    this.apiKey = folder.apiKey();
    this.model = modelIdOf(options.model);
    this.failure = new Promise((resolve) => {
      this.tellFailure = resolve;
    });
    process.once('exit', this.onExit);
  }

  /**
   * Starts everything; resolves when all of it is ready.
   * @throws NotInstalledError when something has to be installed or built; AddressError when the port is taken;
   * DataFolderInUseError when a system runs on the folder already; ProcessEndedError when a service does not come up
   */
  static async start(options: LocalSystemOptions): Promise<LocalSystem> {
    requireBuilt();
    requireModel(options.model);
    const { host = '127.0.0.1', port = 0 } = options;
    if (port !== 0) await requireFree(port, host);
    const folder = new DataFolder(options.dataFolder);
    await folder.claim(modelIdOf(options.model));
    const system = new LocalSystem(folder, options);
    try {
      await system.startAll(host, port);
      return system;
    } catch (error) {
      await system.stop();
      throw error;
    }
  }

  /** Where the gateway answers: `http://127.0.0.1:8000`. */
  get url(): string {
    return this.address;
  }

  /** What runs now, by name. */
  get processes(): readonly { readonly name: string; readonly pid: number }[] {
    return this.running.flatMap(({ process, identity }) =>
      identity === undefined ? [] : [{ name: process.name, pid: identity.pid }],
    );
  }

  /** Ends everything in order: workers finish or hand back what they hold, then gateway, budget service, Redis. */
  stop(): Promise<void> {
    this.stopped ??= this.stopAll();
    return this.stopped;
  }

  /** Kills everything at once. */
  kill(): void {
    for (const { process } of this.running) process.kill();
  }

  private async startAll(host: string, wanted: number): Promise<void> {
    const { options, folder } = this;
    const { model, workers = 1 } = options;
    const [anyPort, redisPort, budgetPort, budgetHttpPort, ...healthPorts] = await freePorts(5 + workers);
    const port = wanted === 0 ? anyPort : wanted;
    const env = { ...process.env, ...options.environment };
    let { redisUrl } = options;
    if (redisUrl === undefined) {
      await this.run(redisPlan(folder, redisPort, env));
      redisUrl = localRedisUrl(folder, redisPort);
    }
    const share = workers > 1 && (env['MADAKV_THREADS'] ?? '') === '';
    const threads = Math.max(1, Math.floor(availableParallelism() / workers));
    const context: ServiceContext = { folder, env, redisUrl, budgetPort, model, ...(share ? { threads } : {}) };
    await this.run(budgetPlan(context, budgetHttpPort));
    await this.runAll([
      gatewayPlan(context, { host, port, healthPort: healthPorts[0], apiKey: this.apiKey }),
      ...healthPorts.slice(1).map((healthPort, i) => workerPlan(context, i + 1, healthPort)),
    ]);
    this.address = `http://${urlHost(host)}:${port}`;
    this.record();
  }

  /** Resolves when all are ready, rejects when the first has failed and none is left starting. */
  private async runAll(plans: readonly ProcessPlan[]): Promise<void> {
    const giveUp = new AbortController();
    const results = await Promise.allSettled(
      plans.map((plan) =>
        this.run(plan, giveUp.signal).catch((error: unknown) => {
          if (!giveUp.signal.aborted) giveUp.abort(error);
          throw giveUp.signal.reason;
        }),
      ),
    );
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }

  private async run(plan: ProcessPlan, giveUp?: AbortSignal): Promise<void> {
    const signals = [this.options.signal, giveUp].filter((signal) => signal !== undefined);
    const signal = AbortSignal.any(signals);
    signal.throwIfAborted();
    this.note({ kind: 'starting', process: plan.name });
    const entry: (typeof this.running)[number] = {
      process: new SupervisedProcess(plan, {
        onLine: (text) => this.options.onLine?.({ source: plan.name, text }),
        onStarted: (identity, graceMs) => {
          entry.identity = { ...identity, graceMs };
          this.watch.started(entry.identity);
          this.record();
        },
        onEnded: (pid) => {
          delete entry.identity;
          this.watch.ended(pid);
          this.record();
        },
        onRestart: (reason, pauseMs) => {
          this.note({ kind: 'restarting', process: plan.name, reason, pauseMs });
        },
        onGivenUp: (error) => {
          if (plan.name === 'redis') this.redisIsGone = true;
          this.tellFailure(error);
        },
      }),
    };
    this.running.push(entry);
    await entry.process.start(signal);
    this.note({ kind: 'ready', process: plan.name });
  }

  private async stopAll(): Promise<void> {
    const named = (start: string): SupervisedProcess[] =>
      this.running.map(({ process }) => process).filter(({ name }) => name.startsWith(start));
    try {
      for (const kind of ['worker', 'gateway', 'budget', 'redis']) {
        await Promise.all(
          named(kind).map(async (process) => {
            this.note({ kind: 'stopping', process: process.name });
            await process.stop(this.redisIsGone ? GRACE_WITHOUT_REDIS_MS : undefined);
            this.note({ kind: 'stopped', process: process.name });
          }),
        );
      }
    } finally {
      this.watch.close();
      process.off('exit', this.onExit);
      this.folder.release();
    }
  }

  private record(): void {
    const processes = this.running.flatMap(({ process, identity }) =>
      identity === undefined ? [] : [{ name: process.name, ...identity }],
    );
    this.folder.update({ url: this.address === '' ? null : this.address, model: this.model, processes });
  }

  private note(note: SystemNote): void {
    this.options.onNote?.(note);
  }
}
