import { setTimeout as pause } from 'node:timers/promises';
import { QueryDemandReplySchema } from '@madakv/contracts';
import { READER } from './document.batch.js';
import { RELEASE, type TestCluster } from './test.cluster.js';

const EVERY_MS = 500;

/** What could be seen of the pool of a model at one time. */
export interface Seen {
  /** Since the recording began. */
  readonly seconds: number;
  /** Cache that queued requests will ask for, in bytes; -1 where the budget service did not answer. */
  readonly queuedBytes: number;
  /** Cache that running requests hold, in bytes; -1 as above. */
  readonly heldBytes: number;
  /** Pods that the Deployment should have. */
  readonly wanted: number;
  /** Pods of it that take jobs. */
  readonly ready: number;
  /** Lines of batches that have an outcome. */
  readonly answered: number;
}

interface Deployment {
  readonly spec: { readonly replicas?: number };
  readonly status: { readonly readyReplicas?: number };
}

/** Looks twice a second at what queues ask for and what is there to answer. */
export class ScalingRecord {
  readonly seen: Seen[] = [];
  private readonly over = new AbortController();
  private readonly running: Promise<void>;

  constructor(
    private readonly cluster: TestCluster,
    private readonly deployment: string,
    /** Lines with an outcome so far. */
    private readonly answered: () => number,
  ) {
    this.running = this.run();
  }

  get most(): number {
    return Math.max(0, ...this.seen.map(({ ready }) => ready));
  }

  async stop(): Promise<readonly Seen[]> {
    this.over.abort();
    await this.running;
    return this.seen;
  }

  private async run(): Promise<void> {
    const began = Date.now();
    const token = await this.cluster.secret(`${RELEASE}-madakv-demand`, 'token');
    const url = `http://${await this.cluster.address(`${RELEASE}-madakv-budget`)}:50052/demand/${READER}`;
    while (!this.over.signal.aborted) {
      const demand = await fetch(url, {
        headers: { authorization: `Bearer ${token}`, connection: 'close' },
        signal: AbortSignal.timeout(2_000),
      })
        .then(async (answer) => QueryDemandReplySchema.parse(await answer.json()))
        .catch(() => undefined);
      const found = await this.cluster.find<Deployment>('apis/apps/v1', 'deployments', this.deployment);
      this.seen.push({
        seconds: (Date.now() - began) / 1_000,
        queuedBytes: demand?.queuedBytes ?? -1,
        heldBytes: demand?.heldBytes ?? -1,
        wanted: found?.spec.replicas ?? 0,
        ready: found?.status.readyReplicas ?? 0,
        answered: this.answered(),
      });
      await pause(EVERY_MS, undefined, { signal: this.over.signal }).catch(() => undefined);
    }
  }
}
