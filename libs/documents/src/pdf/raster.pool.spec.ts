import { afterEach, describe, expect, it, vi } from 'vitest';
import { RasterPool } from './raster.pool.js';
import { RasterProcess } from './raster.process.js';

/** Stands in for a process that can only be told to end. */
class FakeProcess {
  alive = true;
  readonly residentBytes = 0;
  kill(): void {
    this.alive = false;
  }
}

interface Start {
  readonly promise: Promise<RasterProcess>;
  readonly resolve: (process: RasterProcess) => void;
  readonly reject: (error: Error) => void;
}

function pending(): Start {
  let [resolve, reject]: [Start['resolve'], Start['reject']] = [() => undefined, () => undefined];
  const promise = new Promise<RasterProcess>((kept, broken) => {
    [resolve, reject] = [kept, broken];
  });
  return { promise, resolve, reject };
}

const starts: Start[] = [];
afterEach(() => {
  vi.restoreAllMocks();
  starts.length = 0;
});

function pool(): RasterPool {
  vi.spyOn(RasterProcess, 'start').mockImplementation(() => {
    const start = pending();
    starts.push(start);
    return start.promise;
  });
  return new RasterPool(1, 100);
}

const started = () => new FakeProcess() as unknown as RasterProcess;

describe('RasterPool', () => {
  it('gives a process to the next where who it was started for has gone', async () => {
    const rasterisers = pool();
    const first = rasterisers.acquire();
    starts[0].resolve(started());
    const process = await first;
    const [gone, second] = [new AbortController(), new AbortController()];
    const b = rasterisers.acquire(gone.signal);
    const c = rasterisers.acquire(second.signal);
    process.kill();
    rasterisers.release(process);
    expect(starts).toHaveLength(2);
    gone.abort(new Error('it was cancelled'));
    await expect(b).rejects.toThrow('it was cancelled');
    const next = started();
    starts[1].resolve(next);
    expect(await c).toBe(next);
    rasterisers.release(next);
    expect(await rasterisers.acquire()).toBe(next);
  });

  it('lets who waits go, and nobody else', async () => {
    const rasterisers = pool();
    const first = rasterisers.acquire();
    starts[0].resolve(started());
    const process = await first;
    const gone = new AbortController();
    const [b, c] = [rasterisers.acquire(gone.signal), rasterisers.acquire()];
    gone.abort(new Error('it was cancelled'));
    await expect(b).rejects.toThrow('it was cancelled');
    rasterisers.release(process);
    expect(await c).toBe(process);
  });

  it('tells who waits that a process did not start', async () => {
    const rasterisers = pool();
    const failed = rasterisers.acquire();
    const waiting = rasterisers.acquire();
    starts[0].reject(new Error('no more processes'));
    await expect(failed).rejects.toThrow('no more processes');
    await vi.waitFor(() => {
      expect(starts).toHaveLength(2);
    });
    starts[1].reject(new Error('still none'));
    await expect(waiting).rejects.toThrow('still none');
  });
});
