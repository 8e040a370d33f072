import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { SETTINGS } from '../roles/worker.tokens.js';
import type { WorkerSettings } from '../worker.settings.js';
import { Readiness } from './readiness.js';

/** A port of its own: `/livez` says that the process answers, `/readyz` whether it takes jobs, and what it waits for. */
@Injectable()
export class HealthServer implements OnApplicationBootstrap {
  private readonly server: Server;

  constructor(
    @Inject(SETTINGS) private readonly settings: WorkerSettings,
    @Inject(Readiness) private readonly readiness: Readiness,
  ) {
    this.server = createServer((request, response) => void this.answer(request.url, response));
  }

  async onApplicationBootstrap(): Promise<void> {
    const { MADAKV_WORKER_HEALTH_PORT: port, MADAKV_WORKER_HEALTH_HOST: host } = this.settings;
    this.server.listen(port, host);
    await once(this.server, 'listening');
  }

  close(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  private async answer(url: string | undefined, response: ServerResponse): Promise<void> {
    const send = (status: number, body: object): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
    };
    if (url === '/livez') {
      send(200, { status: 'ok' });
    } else if (url === '/readyz') {
      const report = await this.readiness.report();
      send(report.status === 'ok' ? 200 : 503, report);
    } else {
      send(404, { status: 'not found' });
    }
  }
}
