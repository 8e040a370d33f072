import { setTimeout as pause } from 'node:timers/promises';
import { Inject, Injectable, Optional } from '@nestjs/common';
import type { Redis } from 'ioredis';
import { BudgetWatch } from '../lease/budget.watch.js';
import { GenerateRole } from '../roles/generate.role.js';
import { REDIS } from '../roles/worker.tokens.js';

/** A Redis that has not answered within this counts as away, in milliseconds. */
const PING_MS = 1_000;

export interface ReadinessReport {
  readonly status: 'ok' | 'unready';
  readonly redis: 'ok' | 'unreachable';
  /** The process ends; nothing new is taken. */
  readonly draining: boolean;
  /** Of a worker that generates. */
  readonly engine?: {
    readonly state: 'starting' | 'ready' | 'closed';
    /** Graphs that were built of those to build. */
    readonly build?: { readonly done: number; readonly total: number };
  };
  readonly budget?: 'ok' | 'unreachable';
}

/** Whether this worker can take the jobs it is for. */
@Injectable()
export class Readiness {
  draining = false;

  constructor(
    @Inject(REDIS) private readonly redis: Redis,
    @Inject(BudgetWatch) private readonly budget: BudgetWatch,
    @Optional() @Inject(GenerateRole) private readonly generate?: GenerateRole,
  ) {}

  async report(): Promise<ReadinessReport> {
    const { draining, generate } = this;
    const redis = (await this.redisAnswers()) ? 'ok' : 'unreachable';
    if (generate === undefined) return { status: redis === 'ok' && !draining ? 'ok' : 'unready', redis, draining };
    const { engineState: state, build } = generate;
    const budget = this.budget.available ? 'ok' : 'unreachable';
    const ready = redis === 'ok' && !draining && state === 'ready' && budget === 'ok';
    const engine = { state, ...(build === undefined ? {} : { build }) };
    return { status: ready ? 'ok' : 'unready', redis, draining, engine, budget };
  }

  private async redisAnswers(): Promise<boolean> {
    const patience = new AbortController();
    const late = pause(PING_MS, false, { signal: patience.signal }).catch(() => false);
    const answered = this.redis.ping().then(
      () => true,
      () => false,
    );
    const answers = await Promise.race([answered, late]);
    patience.abort();
    return answers;
  }
}
