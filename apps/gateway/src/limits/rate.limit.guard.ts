import { MadakvError } from '@madakv/contracts';
import { Inject, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Request, Response } from 'express';
import { RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import type { Redis } from 'ioredis';
import { isOpenRoute } from '../auth/open.route.js';
import type { GatewaySettings } from '../gateway.settings.js';
import { REDIS, SETTINGS } from '../gateway.tokens.js';
import { contextOf } from '../http/request.context.js';
import { TenantLimits } from './tenant.limits.js';

const WINDOW_SECONDS = 60;

/** Counts requests of a tenant, by the minute, over all gateways. */
@Injectable()
export class RateLimitGuard implements CanActivate {
  /** Limiters by their limit. */
  private readonly limiters = new Map<number, RateLimiterRedis>();

  constructor(
    @Inject(REDIS) private readonly redis: Redis,
    @Inject(SETTINGS) private readonly settings: GatewaySettings,
    @Inject(TenantLimits) private readonly limits: TenantLimits,
    @Inject(Reflector) private readonly reflector: Reflector,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    if (isOpenRoute(this.reflector, context)) return true;
    const http = context.switchToHttp();
    const { tenant } = contextOf(http.getRequest<Request>());
    if (tenant === undefined) throw new Error('the guard of API keys comes first');
    const { requestsPerMinute } = this.limits.of(tenant);
    const { admitted, state } = await this.consume(tenant, requestsPerMinute);
    http.getResponse<Response>().set({
      'x-ratelimit-limit-requests': String(requestsPerMinute),
      'x-ratelimit-remaining-requests': String(state.remainingPoints),
      'x-ratelimit-reset-requests': `${Math.ceil(state.msBeforeNext / 1000)}s`,
    });
    if (admitted) return true;
    throw new MadakvError(
      'rate_limit_exceeded',
      `Rate limit reached: the limit is ${requestsPerMinute} requests a minute.`,
      { retryAfterMs: state.msBeforeNext },
    );
  }

  private async consume(tenant: string, points: number): Promise<{ admitted: boolean; state: RateLimiterRes }> {
    try {
      return { admitted: true, state: await this.limiter(points).consume(tenant) };
    } catch (refusal) {
      if (refusal instanceof RateLimiterRes) return { admitted: false, state: refusal };
      throw refusal;
    }
  }

  private limiter(points: number): RateLimiterRedis {
    let limiter = this.limiters.get(points);
    if (limiter === undefined) {
      const keyPrefix = `${this.settings.MADAKV_KEY_PREFIX}:rate`;
      limiter = new RateLimiterRedis({ storeClient: this.redis, keyPrefix, points, duration: WINDOW_SECONDS });
      this.limiters.set(points, limiter);
    }
    return limiter;
  }
}
