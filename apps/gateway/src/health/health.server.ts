import type { FileStore } from '@madakv/storage';
import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { Redis } from 'ioredis';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { GatewaySettings } from '../gateway.settings.js';
import { REDIS, SETTINGS, STORE } from '../gateway.tokens.js';
import { Shutdown } from './shutdown.js';

/** A part that does not answer within this does not answer, in milliseconds. */
const CHECK_MS = 2_000;

/** A port of its own: /livez (the process answers), /readyz (Redis and the file store do as well, and it is not ending). */
@Injectable()
export class HealthServer implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly server: Server;

  constructor(
    @Inject(SETTINGS) private readonly settings: GatewaySettings,
    @Inject(REDIS) private readonly redis: Redis,
    @Inject(STORE) private readonly store: FileStore,
    @Inject(Shutdown) private readonly shutdown: Shutdown,
  ) {
    this.server = createServer((request, response) => void this.answer(request, response));
  }

  async onApplicationBootstrap(): Promise<void> {
    const { MADAKV_GATEWAY_HEALTH_PORT: port, MADAKV_GATEWAY_HOST: host } = this.settings;
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject).listen(port, host, resolve);
    });
  }

  /** Last of all, so that whoever asks while the gateway ends is told so. */
  onApplicationShutdown(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  private async answer({ url }: IncomingMessage, response: ServerResponse): Promise<void> {
    const send = (status: number, body: object): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
    };
    if (url === '/livez') {
      send(200, { status: 'ok' });
    } else if (url === '/readyz') {
      const problems = await this.problems();
      if (problems.length === 0) send(200, { status: 'ok' });
      else send(503, { status: problems.join(', ') });
    } else {
      send(404, { status: 'not found' });
    }
  }

  private async problems(): Promise<string[]> {
    const checks: [string, Promise<unknown>][] = [
      ['redis unreachable', this.redis.ping()],
      ['file store unreachable', this.store.check()],
    ];
    const found = await Promise.all(checks.map(async ([problem, check]) => ((await passes(check)) ? [] : [problem])));
    return [...(this.shutdown.hasBegun ? ['ending'] : []), ...found.flat()];
  }
}

async function passes(check: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, CHECK_MS, false);
  });
  const passed = check.then(
    () => true,
    () => false,
  );
  const result = await Promise.race([passed, late]);
  clearTimeout(timer);
  return result;
}
