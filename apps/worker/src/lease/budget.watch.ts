import { AsyncResource } from 'node:async_hooks';
import type { BudgetClient } from '@madakv/budget-client';
import { MadakvError, type BudgetMethod, type BudgetReply, type BudgetRequest } from '@madakv/contracts';

/** Calls to the memory-budget service. */
export type BudgetCalls = Pick<BudgetClient, 'call'>;

export interface BudgetWatchTiming {
  /** First and longest pause between two attempts to reach a service that is away, in milliseconds; it doubles. */
  readonly firstMs: number;
  readonly longestMs: number;
}

/** No device has this name: the call costs one step in Redis, where a thousand workers may make it at the same time. */
const NO_DEVICE = '-';

const TIMING: BudgetWatchTiming = { firstMs: 100, longestMs: 3_000 };

/**
 * All calls of this process to the memory-budget service pass through here, so that one failure tells everyone that the
 * service is away. It is then asked again until it answers.
 */
export class BudgetWatch implements BudgetCalls {
  private reachable = true;
  private timer: NodeJS.Timeout | undefined;
  private closed = false;
  private readonly listeners: ((reachable: boolean) => void)[] = [];

  constructor(
    private readonly budget: BudgetCalls,
    private readonly timing = TIMING,
  ) {}

  /** Whether the last call had an answer. */
  get available(): boolean {
    return this.reachable;
  }

  /** Calls back at every change. */
  onChange(listener: (reachable: boolean) => void): void {
    this.listeners.push(listener);
  }

  async call<M extends BudgetMethod>(method: M, request: BudgetRequest<M>): Promise<BudgetReply<M>> {
    try {
      const reply = await this.budget.call(method, request);
      this.note(true);
      return reply;
    } catch (error) {
      if (error instanceof MadakvError && error.code === 'budget_unavailable') this.note(false);
      throw error;
    }
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.timer);
  }

  /** Bound here: what follows is no part of the trace of the request that found out. */
  private readonly note = AsyncResource.bind((reachable: boolean): void => {
    if (reachable === this.reachable || this.closed) return;
    this.reachable = reachable;
    clearTimeout(this.timer);
    if (!reachable) this.askAgain(this.timing.firstMs);
    for (const listener of this.listeners) listener(reachable);
  });

  private askAgain(pauseMs: number): void {
    this.timer = setTimeout(() => {
      this.call('list', { deviceId: NO_DEVICE }).catch(() => {
        if (!this.closed && !this.reachable) this.askAgain(Math.min(2 * pauseMs, this.timing.longestMs));
      });
    }, pauseMs);
  }
}
