import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import type { BudgetSettings } from './budget.settings.js';
import { BudgetService } from './budget.service.js';
import { SETTINGS } from './budget.tokens.js';
import { RedisConnection } from './redis.connection.js';

/** A port of its own: /livez (the process answers), /readyz (Redis does as well), /demand (JSON for an autoscaler). */
@Injectable()
export class HealthServer implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly server: Server;

  constructor(
    @Inject(SETTINGS) private readonly settings: BudgetSettings,
    @Inject(RedisConnection) private readonly redis: RedisConnection,
    @Inject(BudgetService) private readonly service: BudgetService,
  ) {
    this.server = createServer((request, response) => void this.answer(request, response));
  }

  async onApplicationBootstrap(): Promise<void> {
    const { MADAKV_BUDGET_HTTP_PORT: port, MADAKV_BUDGET_HOST: host } = this.settings;
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject).listen(port, host, resolve);
    });
  }

  onModuleDestroy(): void {
    this.server.close();
    this.server.closeIdleConnections();
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const send = (status: number, body: object): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
    };
    switch (request.url) {
      case '/livez':
        send(200, { status: 'ok' });
        return;
      case '/readyz': {
        const ready = await this.redis.isReady();
        send(ready ? 200 : 503, { status: ready ? 'ok' : 'redis unreachable' });
        return;
      }
      case '/demand':
        await this.service.queryDemand().then(
          (demand) => {
            send(200, demand);
          },
          () => {
            send(503, { status: 'redis unreachable' });
          },
        );
        return;
      default:
        send(404, { status: 'not found' });
    }
  }
}
