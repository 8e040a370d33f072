import type { History, Overview } from '@madakv/contracts';
import { Controller, Get, Inject, Res } from '@nestjs/common';
import type { Response } from 'express';
import { setTimeout as pause } from 'node:timers/promises';
import { z } from 'zod';
import type { Caller } from '../auth/api.keys.js';
import { EventStream } from '../chat/event.stream.js';
import type { GatewaySettings } from '../gateway.settings.js';
import { SETTINGS } from '../gateway.tokens.js';
import { Shutdown } from '../health/shutdown.js';
import { CheckedQuery } from '../http/checked.query.js';
import { wholeNumber } from '../http/page.query.js';
import { AuthenticatedCaller } from '../http/request.context.js';
import { ApiRoute } from '../openapi/api.route.js';
import { OverviewService } from './overview.service.js';

/** Between two overviews of a stream, in milliseconds. */
const PERIOD_MS = 2_000;
/** A stream ends after this, so that whoever opens the next one is known anew. */
const LONGEST_MS = 60_000;
/** When a browser whose stream has ended opens the next one, in milliseconds. */
const RETRY_MS = 500;
const MAX_MINUTES = 24 * 60;

const HistoryQuerySchema = z.object({ minutes: wholeNumber(MAX_MINUTES, MAX_MINUTES) });

@Controller('v1/overview')
export class OverviewController {
  constructor(
    @Inject(OverviewService) private readonly overviews: OverviewService,
    @Inject(Shutdown) private readonly shutdown: Shutdown,
    @Inject(SETTINGS) private readonly settings: GatewaySettings,
  ) {}

  @Get()
  @ApiRoute({
    tag: 'Overview',
    summary: 'What runs and waits',
    description:
      'Of the tenant; of the whole system, with queues, devices and workers, where the key is an operator’s.',
    response: { 'application/json': 'Overview' },
  })
  getOverview(@AuthenticatedCaller() caller: Caller): Promise<Overview> {
    return this.overviews.overview(caller);
  }

  @Get('history')
  @ApiRoute({
    tag: 'Overview',
    summary: 'What ended, by the time',
    query: HistoryQuerySchema,
    response: { 'application/json': 'History' },
    errors: ['invalid_request'],
  })
  getHistory(
    @AuthenticatedCaller() caller: Caller,
    @CheckedQuery(HistoryQuerySchema) { minutes }: z.output<typeof HistoryQuerySchema>,
  ): Promise<History> {
    return this.overviews.history(caller, minutes);
  }

  @Get('events')
  @ApiRoute({
    tag: 'Overview',
    summary: 'What runs and waits, as it changes',
    description:
      'Server-sent events: an overview every two seconds, until the caller hangs up or a minute is over; a browser comes back by itself.',
    response: { 'text/event-stream': 'Overview' },
  })
  async streamOverview(@AuthenticatedCaller() caller: Caller, @Res() response: Response): Promise<void> {
    const gone = new AbortController();
    response.once('close', () => {
      gone.abort();
    });
    const until = Date.now() + LONGEST_MS;
    const stream = new EventStream(response, this.settings.MADAKV_GATEWAY_HEARTBEAT_MS, RETRY_MS);
    try {
      // Whoever looks comes back by itself, to a gateway that stays, and with a session that is still good.
      while (!gone.signal.aborted && !this.shutdown.hasBegun && Date.now() < until) {
        await stream.send(await this.overviews.overview(caller));
        await pause(PERIOD_MS, undefined, { signal: gone.signal }).catch(() => undefined);
      }
      stream.end();
    } catch (error) {
      if (!stream.hasBegun) {
        stream.abandon();
        throw error;
      }
      stream.end();
    }
  }
}
