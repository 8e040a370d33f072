import { readFileSync } from 'node:fs';
import type { ControlPlane } from './control.plane.js';

export interface LoadFigures {
  /** Requests that the API server answered a second. */
  readonly requestsPerSecond: number;
  /** Processor time of API server, etcd, controllers and scheduler over the time, in cores. */
  readonly cores: number;
  /** Resident memory of each, in MiB, at the end. */
  readonly memory: Readonly<Record<string, number>>;
}

/** Ticks of a processor's time a second. */
const TICKS = 100;

/** What a control plane does between two moments. */
export class ServerLoad {
  private began = 0;
  private requests = 0;
  private ticks = 0;

  constructor(private readonly plane: ControlPlane) {}

  async begin(): Promise<void> {
    this.began = performance.now();
    this.requests = await this.answered();
    this.ticks = this.spent();
  }

  async take(): Promise<LoadFigures> {
    const seconds = (performance.now() - this.began) / 1_000;
    const memory = Object.fromEntries(
      [...this.plane.pids].map(([name, pid]) => {
        const [, kib = '0'] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
        return [name, Math.round(Number(kib) / 1024)];
      }),
    );
    return {
      requestsPerSecond: Math.round(((await this.answered()) - this.requests) / seconds),
      cores: Math.round(((this.spent() - this.ticks) / TICKS / seconds) * 100) / 100,
      memory,
    };
  }

  private async answered(): Promise<number> {
    const text = await this.plane.api.text('GET', '/metrics');
    return [...text.matchAll(/^apiserver_request_total\{.*\} (\S+)$/gm)].reduce((sum, [, n]) => sum + Number(n), 0);
  }

  private spent(): number {
    return [...this.plane.pids.values()].reduce((sum, pid) => {
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
      return sum + Number(fields[11]) + Number(fields[12]);
    }, 0);
  }
}
