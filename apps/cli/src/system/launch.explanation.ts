import { AddressError, BundledModelMissingError, DataFolderInUseError, PortTakenError } from '@madakv/launcher';
import { UsageError } from '../exit.codes.js';

/**
 * Why a system was not started, as this command says it: with the flag that mends it, and as the caller's mistake where it is one.
 * @returns other errors as they are
 */
export function explainLaunch(error: unknown): unknown {
  if (error instanceof DataFolderInUseError) {
    return new UsageError(`${error.message}; stop it, or choose another folder with --data`, { cause: error });
  }
  if (error instanceof PortTakenError) {
    return new UsageError(`${error.message}; choose another one with --port`, { cause: error });
  }
  if (error instanceof AddressError) return new UsageError(error.message, { cause: error });
  if (error instanceof BundledModelMissingError) {
    return new Error(`${error.message}, or name a checkpoint folder with --model`, { cause: error });
  }
  return error;
}
