import { observeWorkerMemory, type WorkerMemory } from '@madakv/telemetry';
import { Inject, Injectable, Optional, type OnApplicationBootstrap } from '@nestjs/common';
import { GenerateRole } from '../roles/generate.role.js';
import { PrepareRole } from '../roles/prepare.role.js';

/** Says by what this worker's memory is held, as a metric: see docs/operations.md. */
@Injectable()
export class MemoryReport implements OnApplicationBootstrap {
  private end: () => void = () => undefined;

  constructor(
    @Optional() @Inject(PrepareRole) private readonly prepare?: PrepareRole,
    @Optional() @Inject(GenerateRole) private readonly generate?: GenerateRole,
  ) {}

  onApplicationBootstrap(): void {
    this.end = observeWorkerMemory(() => this.read());
  }

  read(): WorkerMemory {
    const { rss: resident, heapTotal, external } = process.memoryUsage();
    const thread = this.generate?.engineMemory;
    return {
      resident,
      heap: heapTotal + (thread?.heap ?? 0),
      buffers: external + (thread?.buffers ?? 0),
      ...(thread === undefined ? {} : { kv: thread.kv, features: thread.features, rows: thread.rows }),
      ...(this.generate === undefined ? {} : { pages: this.generate.pageBytes }),
      ...(this.prepare === undefined ? {} : { raster: this.prepare.preparer.rasterBytes }),
    };
  }

  close(): void {
    this.end();
  }
}
