import { JobQueues } from '@madakv/queue';
import type { Telemetry } from '@madakv/telemetry';
import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { TELEMETRY } from './gateway.tokens.js';
import { RedisConnections } from './redis.connections.js';

/** Once nothing is under way: closes what the gateway had opened, in this order. */
@Injectable()
export class GatewayEnd implements OnApplicationShutdown {
  constructor(
    @Inject(JobQueues) private readonly queues: JobQueues,
    @Inject(RedisConnections) private readonly connections: RedisConnections,
    @Inject(TELEMETRY) private readonly telemetry: Telemetry,
  ) {}

  async onApplicationShutdown(): Promise<void> {
    await this.queues.close();
    this.connections.close();
    await this.telemetry.shutdown();
  }
}
