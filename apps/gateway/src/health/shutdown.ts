import { Inject, Injectable, Logger, type BeforeApplicationShutdown } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { Server } from 'node:http';
import type { GatewaySettings } from '../gateway.settings.js';
import { SETTINGS } from '../gateway.tokens.js';

/** What was told to end gets this long at most to say so to its callers, in milliseconds. */
const LAST_WORDS_MS = 10_000;

/** Ends the public port in order: nothing new is accepted, what is under way may finish within the grace period. */
@Injectable()
export class Shutdown implements BeforeApplicationShutdown {
  private readonly logger = new Logger('Shutdown');
  private readonly controller = new AbortController();
  private ending = false;

  constructor(
    @Inject(HttpAdapterHost) private readonly host: HttpAdapterHost,
    @Inject(SETTINGS) private readonly settings: GatewaySettings,
  ) {}

  /** Whether nothing new is accepted. */
  get hasBegun(): boolean {
    return this.ending;
  }

  /** Aborted when the grace period is over. */
  get signal(): AbortSignal {
    return this.controller.signal;
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.ending = true;
    const server = this.host.httpAdapter.getHttpServer() as Server;
    const closed = new Promise<void>((resolve) => {
      server.close(() => {
        resolve();
      });
    });
    // A connection that was busy when the port closed is kept alive otherwise.
    const sweep = setInterval(() => {
      server.closeIdleConnections();
    }, 100);
    if (!(await within(closed, this.settings.MADAKV_GATEWAY_GRACE_MS))) {
      this.logger.warn('the grace period is over: what is under way is cancelled');
      this.controller.abort();
      await within(closed, LAST_WORDS_MS);
    }
    clearInterval(sweep);
    server.closeAllConnections();
  }
}

async function within(event: Promise<void>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, ms, false);
  });
  const inTime = await Promise.race([event.then(() => true), late]);
  clearTimeout(timer);
  return inTime;
}
