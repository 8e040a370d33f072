import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { QueryDemandRequestSchema } from '@madakv/contracts';
import { Inject, Injectable, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import type { BudgetSettings } from './budget.settings.js';
import { BudgetService } from './budget.service.js';
import { SETTINGS } from './budget.tokens.js';
import { RedisConnection } from './redis.connection.js';

/** A port of its own: /livez (the process answers), /readyz (Redis does as well), /demand and /demand/MODEL (JSON for an autoscaler). */
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
    const send = (status: number, body: object, headers: Readonly<Record<string, string>> = {}): void => {
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(`${JSON.stringify(body)}\n`);
    };
    const { url = '' } = request;
    const demanded = /^\/demand(?:\/([^/?]+))?$/.exec(url);
    if (url === '/livez') {
      send(200, { status: 'ok' });
    } else if (url === '/readyz') {
      const ready = await this.redis.isReady();
      send(ready ? 200 : 503, { status: ready ? 'ok' : 'redis unreachable' });
    } else if (demanded === null) {
      send(404, { status: 'not found' });
    } else if (!this.mayAsk(request)) {
      send(401, { status: 'a bearer token is needed' }, { 'www-authenticate': 'Bearer' });
    } else {
      const model = QueryDemandRequestSchema.safeParse({ model: demanded[1] });
      if (!model.success) {
        send(404, { status: 'no name of a model' });
        return;
      }
      await this.service.queryDemand(model.data).then(
        (demand) => {
          send(200, demand);
        },
        () => {
          send(503, { status: 'redis unreachable' });
        },
      );
    }
  }

  /** Compares digests, so that the time it takes says nothing. */
  private mayAsk({ headers }: IncomingMessage): boolean {
    const { MADAKV_BUDGET_DEMAND_TOKEN: token } = this.settings;
    const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
    return token === '' || timingSafeEqual(digest(headers.authorization ?? ''), digest(`Bearer ${token}`));
  }
}
