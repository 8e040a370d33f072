import { MadakvError } from '@madakv/contracts';
import type { CrashCounter, Crashes } from '@madakv/records';
import { FinalError } from '../roles/failure.js';

/** Engines, or their processes, that may die over one request before it fails for good. */
const MAX_CRASHES = 3;

/** Counts the engines that die over requests. */
export class CrashGuard {
  constructor(private readonly crashes: Pick<CrashCounter, 'begin' | 'end' | 'of'>) {}

  /** Those that have died over it. */
  of(requestId: string): Promise<Crashes> {
    return this.crashes.of(requestId);
  }

  /** @throws FinalError where those are enough */
  check({ count }: Crashes): void {
    if (count >= MAX_CRASHES) throw diedTooOften(count);
  }

  /** Runs the engine's work on a request. `begin` is to be called when the engine has begun with it. */
  async watch<T>(requestId: string, work: (begin: () => void) => Promise<T>): Promise<T> {
    let begun: Promise<void> | undefined;
    const begin = (): void => {
      begun = this.crashes.begin(requestId);
      // Awaited when the engine is done; one that fails before must not go unheard.
      begun.catch(() => undefined);
    };
    try {
      const result = await work(begin);
      await this.survived(requestId, begun);
      return result;
    } catch (error) {
      if (!(error instanceof MadakvError) || error.code !== 'engine_crashed') {
        await this.survived(requestId, begun);
        throw error;
      }
      await begun;
      const { count } = await this.of(requestId);
      throw count < MAX_CRASHES ? error : diedTooOften(count, error);
    }
  }

  private async survived(requestId: string, begun: Promise<void> | undefined): Promise<void> {
    if (begun === undefined) return;
    await begun;
    await this.crashes.end(requestId);
  }
}

function diedTooOften(crashes: number, cause?: unknown): FinalError {
  const message = `the engine died ${crashes} times while it worked on this request`;
  return new FinalError(new MadakvError('engine_crashed', message, cause === undefined ? {} : { cause }));
}
