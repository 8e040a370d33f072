import { status } from '@grpc/grpc-js';
import { BUDGET_METHODS, BUDGET_SERVICE, type BudgetMethod, type BudgetReply } from '@madakv/contracts';
import { Controller, Inject, Logger, UseInterceptors } from '@nestjs/common';
import { GrpcMethod, RpcException } from '@nestjs/microservices';
import { z } from 'zod';
import type { BudgetMetrics } from './budget.metrics.js';
import { BudgetService } from './budget.service.js';
import { METRICS } from './budget.tokens.js';
import { TraceInterceptor } from './trace.interceptor.js';

/** The gRPC edge: validates, hands on, and turns what failed into a status code. */
@Controller()
@UseInterceptors(TraceInterceptor)
export class BudgetController {
  private readonly logger = new Logger('Grpc');

  constructor(
    @Inject(BudgetService) private readonly service: BudgetService,
    @Inject(METRICS) private readonly metrics: BudgetMetrics,
  ) {}

  @GrpcMethod(BUDGET_SERVICE, 'RegisterDevice')
  registerDevice(request: unknown): Promise<BudgetReply<'registerDevice'>> {
    return this.answer('registerDevice', request, (message) => this.service.registerDevice(message));
  }

  @GrpcMethod(BUDGET_SERVICE, 'SetCapacity')
  setCapacity(request: unknown): Promise<BudgetReply<'setCapacity'>> {
    return this.answer('setCapacity', request, (message) => this.service.setCapacity(message));
  }

  @GrpcMethod(BUDGET_SERVICE, 'Acquire')
  acquire(request: unknown): Promise<BudgetReply<'acquire'>> {
    return this.answer('acquire', request, (message) => this.service.acquire(message));
  }

  @GrpcMethod(BUDGET_SERVICE, 'Renew')
  renew(request: unknown): Promise<BudgetReply<'renew'>> {
    return this.answer('renew', request, (message) => this.service.renew(message));
  }

  @GrpcMethod(BUDGET_SERVICE, 'Resize')
  resize(request: unknown): Promise<BudgetReply<'resize'>> {
    return this.answer('resize', request, (message) => this.service.resize(message));
  }

  @GrpcMethod(BUDGET_SERVICE, 'Release')
  release(request: unknown): Promise<BudgetReply<'release'>> {
    return this.answer('release', request, (message) => this.service.release(message));
  }

  @GrpcMethod(BUDGET_SERVICE, 'List')
  list(request: unknown): Promise<BudgetReply<'list'>> {
    return this.answer('list', request, (message) => this.service.list(message));
  }

  @GrpcMethod(BUDGET_SERVICE, 'PublishDemand')
  publishDemand(request: unknown): Promise<BudgetReply<'publishDemand'>> {
    return this.answer('publishDemand', request, (message) => this.service.publishDemand(message));
  }

  @GrpcMethod(BUDGET_SERVICE, 'QueryDemand')
  queryDemand(request: unknown): Promise<BudgetReply<'queryDemand'>> {
    return this.answer('queryDemand', request, (message) => this.service.queryDemand(message));
  }

  private async answer<M extends BudgetMethod>(
    method: M,
    request: unknown,
    handle: (message: Message<M>) => Promise<BudgetReply<M>>,
  ): Promise<BudgetReply<M>> {
    const started = performance.now();
    let outcome = 'error';
    try {
      const message = BUDGET_METHODS[method].request.safeParse(request);
      if (!message.success) throw invalid(message.error);
      const reply = await handle(message.data as Message<M>);
      outcome = 'outcome' in reply ? reply.outcome : 'ok';
      return reply;
    } catch (error) {
      if (error instanceof RpcException) throw error;
      this.logger.error({ message: 'no answer', method, error: String(error) });
      throw failed(error);
    } finally {
      this.metrics.answered({ method, outcome, seconds: (performance.now() - started) / 1000 });
    }
  }
}

type Message<M extends BudgetMethod> = z.output<(typeof BUDGET_METHODS)[M]['request']>;

function invalid(error: z.ZodError): RpcException {
  const message = error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ');
  return new RpcException({ code: status.INVALID_ARGUMENT, message });
}

/** A script that fails or a reply that does not parse is a defect; anything else is Redis being away for now. */
function failed(error: unknown): RpcException {
  const message = error instanceof Error ? error.message : String(error);
  const defect = error instanceof z.ZodError || error instanceof TypeError || /^(ERR|WRONGTYPE)\b/.test(message);
  return defect
    ? new RpcException({ code: status.INTERNAL, message: 'a defect; the log of the service has the details' })
    : new RpcException({ code: status.UNAVAILABLE, message: `Redis does not answer: ${message}` });
}
