import { setTimeout as pause } from 'node:timers/promises';
import type { PodContainer, PodProbe } from './pod.objects.js';
import type { PodSandbox } from './pod.sandbox.js';

export interface Watched {
  readonly container: PodContainer;
  readonly sandbox: PodSandbox;
  /** Of the pod. */
  readonly address: string;
  /** Told whenever it is ready or no longer so. */
  readonly onReady: (ready: boolean) => Promise<void>;
  /** Told once it has to be ended, with the reason. */
  readonly onDead: (reason: string) => Promise<void>;
}

/** Watches a container by its own probes, as a kubelet does. */
export class PodProbes {
  private ready = false;

  constructor(private readonly watched: Watched) {}

  /** Until it is over, or the container has to be ended. */
  async watch(over: AbortSignal): Promise<void> {
    const { startupProbe, livenessProbe, readinessProbe } = this.watched.container;
    if (startupProbe !== undefined && !(await this.begins(startupProbe, over))) return;
    const watching = [this.watchReadiness(readinessProbe, over)];
    if (livenessProbe !== undefined) watching.push(this.watchLiveness(livenessProbe, over));
    await Promise.all(watching);
  }

  /** Tries until the probe succeeds. @returns false where it has failed too often, or it is over */
  private async begins(probe: PodProbe, over: AbortSignal): Promise<boolean> {
    const { failureThreshold = 3 } = probe;
    let failures = 0;
    do {
      if (await this.passes(probe)) return true;
    } while (++failures < failureThreshold && (await another(probe, over)));
    if (!over.aborted) await this.watched.onDead(`its startup probe failed ${failures} times`);
    return false;
  }

  private async watchReadiness(probe: PodProbe | undefined, over: AbortSignal): Promise<void> {
    if (probe === undefined) return this.watched.onReady(true);
    let failures = 0;
    do {
      const passes = await this.passes(probe);
      failures = passes ? 0 : failures + 1;
      const ready = passes || (this.ready && failures < (probe.failureThreshold ?? 3));
      if (ready === this.ready || over.aborted) continue;
      this.ready = ready;
      await this.watched.onReady(ready);
    } while (await another(probe, over));
  }

  private async watchLiveness(probe: PodProbe, over: AbortSignal): Promise<void> {
    let failures = 0;
    do {
      failures = (await this.passes(probe)) ? 0 : failures + 1;
      if (failures < (probe.failureThreshold ?? 3)) continue;
      return this.watched.onDead(`its liveness probe failed ${failures} times`);
    } while (await another(probe, over));
  }

  private async passes({ httpGet, exec, timeoutSeconds = 1 }: PodProbe): Promise<boolean> {
    const { container, sandbox, address } = this.watched;
    const timeoutMs = timeoutSeconds * 1_000;
    if (exec !== undefined) return sandbox.exec(exec.command, timeoutMs);
    const { port, path } = httpGet ?? { port: 0, path: '' };
    const number = typeof port === 'number' ? port : container.ports?.find(({ name }) => name === port)?.containerPort;
    const request = { signal: AbortSignal.timeout(timeoutMs), headers: { connection: 'close' } };
    return fetch(`http://${address}:${number}${path}`, request).then(
      ({ ok }) => ok,
      () => false,
    );
  }
}

/** Waits for the time of the next try. @returns whether there is one */
async function another({ periodSeconds = 10 }: PodProbe, over: AbortSignal): Promise<boolean> {
  await pause(periodSeconds * 1_000, undefined, { signal: over }).catch(() => undefined);
  return !over.aborted;
}
