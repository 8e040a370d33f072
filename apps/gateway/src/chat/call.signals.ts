import { MadakvError } from '@madakv/contracts';
import { Inject, Injectable } from '@nestjs/common';
import type { Response } from 'express';
import type { GatewaySettings } from '../gateway.settings.js';
import { SETTINGS } from '../gateway.tokens.js';
import { Shutdown } from '../health/shutdown.js';

/** Says when an answer is not wanted any more. */
@Injectable()
export class CallSignals {
  constructor(
    @Inject(Shutdown) private readonly shutdown: Shutdown,
    @Inject(SETTINGS) private readonly settings: GatewaySettings,
  ) {}

  /** Aborted when the caller hangs up, the time is over, or the gateway ends. */
  of(response: Response): { readonly signal: AbortSignal; readonly release: () => void } {
    const controller = new AbortController();
    const stop = (error: MadakvError) => () => {
      controller.abort(error);
    };
    const ms = this.settings.MADAKV_GATEWAY_REQUEST_TIMEOUT_MS;
    const timer = setTimeout(
      stop(
        new MadakvError('timeout', `There was no answer within ${ms} ms. A batch (POST /v1/batches) may take longer.`),
      ),
      ms,
    );
    const hungUp = stop(new MadakvError('cancelled', 'The caller hung up.'));
    const ending = stop(new MadakvError('worker_stopping', 'The gateway is being stopped; try again.'));
    const { signal } = this.shutdown;
    if (response.destroyed) hungUp();
    if (signal.aborted) ending();
    response.once('close', hungUp);
    signal.addEventListener('abort', ending, { once: true });
    return {
      signal: controller.signal,
      release: () => {
        clearTimeout(timer);
        response.off('close', hungUp);
        signal.removeEventListener('abort', ending);
      },
    };
  }
}
