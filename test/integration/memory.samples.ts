import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Bytes of anonymous memory that a process has resident; what is mapped from files is not its own. Linux only. */
export function anonymousBytes(pid: number): number {
  const found = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  if (found === null) throw new Error(`process ${pid} does not say what it has resident`);
  return Number(found[1]) * 1024;
}

/** Ids of a process's children. */
export function childrenOf(pid: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((id) => parentOf(id) === pid);
}

function parentOf(pid: number): number | undefined {
  try {
    // The name, in parentheses, may have any character.
    return Number(
      readFileSync(`/proc/${pid}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ')[1],
    );
  } catch {
    return undefined;
  }
}

/** What JavaScript holds in all threads of the process, in bytes, as `collect.garbage.cjs` has written it down. */
export function heldByJavaScript(folder: string): number {
  return readdirSync(folder)
    .filter((name) => /^thread-\d+$/.test(name))
    .reduce((sum, name) => sum + Number(readFileSync(join(folder, name), 'utf8')), 0);
}

export interface Sample {
  /** Requests that were answered until then. */
  readonly requests: number;
  readonly bytes: number;
}

/**
 * Growth by the Theil-Sen estimator, the median slope of all pairs of samples, in bytes a request. A few samples that are far off, such
 * as the peak of one request, do not move it.
 */
export function growthPerRequest(samples: readonly Sample[]): number {
  const slopes = samples.flatMap((a, i) =>
    samples.slice(i + 1).map((b) => (b.bytes - a.bytes) / (b.requests - a.requests)),
  );
  return median(slopes);
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
