import { MadakvError } from '@madakv/contracts';
import { UsageError } from '../exit.codes.js';

/** Does something that checks a request; what it finds wrong is the caller's mistake. */
export function asUsageError<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (!(cause instanceof MadakvError)) throw cause;
    throw new UsageError(cause.message, { cause });
  }
}
