import { setTimeout as pause } from 'node:timers/promises';
import { isAlive, signalProcess, type ProcessIdentity } from './process.identity.js';

const LOOK_EVERY_MS = 50;

export interface EndingProcess extends ProcessIdentity {
  readonly graceMs: number;
}

/**
 * Ends processes that are not this one's children, the last started first: each is asked to end, and killed when it has
 * not within its grace. For what a system left behind whose parent was killed.
 */
export async function endInOrder(processes: readonly EndingProcess[]): Promise<void> {
  for (const ending of [...processes].reverse()) {
    signalProcess(ending, 'SIGTERM');
    const deadline = performance.now() + ending.graceMs;
    while (isAlive(ending) && performance.now() < deadline) await pause(LOOK_EVERY_MS);
    signalProcess(ending, 'SIGKILL');
    while (isAlive(ending)) await pause(LOOK_EVERY_MS);
  }
}
