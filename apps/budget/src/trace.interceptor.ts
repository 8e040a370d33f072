import { status, type Metadata } from '@grpc/grpc-js';
import { BUDGET_PACKAGE, BUDGET_SERVICE, MadakvError, type ErrorCode } from '@madakv/contracts';
import { withSpan, withTraceparent, type SpanAttributes } from '@madakv/telemetry';
import { Injectable, type CallHandler, type ExecutionContext, type NestInterceptor } from '@nestjs/common';
import { RpcException } from '@nestjs/microservices';
import { from, lastValueFrom, type Observable } from 'rxjs';

/** A span around each call whose metadata carry a traceparent. Heartbeats carry none; they would only be noise. */
@Injectable()
export class TraceInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const call = context.switchToRpc();
    const traceparent = call.getContext<Metadata>().get('traceparent').at(0)?.toString();
    if (traceparent === undefined) return next.handle();
    const handler = context.getHandler().name;
    const method = `${BUDGET_PACKAGE}.${BUDGET_SERVICE}/${handler.charAt(0).toUpperCase()}${handler.slice(1)}`;
    const attributes = { rpcSystem: 'grpc', rpcMethod: method };
    const answer = withTraceparent(traceparent, () =>
      withSpan('rpc', { of: method, attributes }, async (span) => {
        try {
          const reply: unknown = await lastValueFrom(next.handle());
          span.set({ rpcStatus: 'OK', ...attributesOf({ ...call.getData<Request>(), ...(reply as Reply) }) });
          return reply;
        } catch (error) {
          const { code, message } = failureOf(error);
          span.set({ rpcStatus: status[code] });
          span.fail(new MadakvError(ERROR_CODES[code] ?? 'internal_error', message));
          throw error;
        }
      }),
    );
    return from(answer);
  }
}

/** The fields of requests and replies that a span shows, of whichever messages have them. */
interface Request {
  readonly jobId?: string;
  readonly deviceId?: string;
  readonly tenant?: string;
  readonly lease?: { readonly deviceId: string; readonly leaseId: string; readonly fencingToken: number };
}
interface Reply {
  readonly outcome?: string;
  readonly granted?: {
    readonly leaseId: string;
    readonly fencingToken: number;
    readonly bytes: number;
    readonly grantedBytes: number;
    readonly cacheRatio: number;
  };
  readonly held?: { readonly bytes: number };
  readonly full?: { readonly reason: string };
  readonly refused?: { readonly reason: string };
}

function attributesOf({ lease, granted, held, full, refused, ...plain }: Request & Reply): SpanAttributes {
  return {
    jobId: plain.jobId,
    deviceId: plain.deviceId ?? lease?.deviceId,
    tenant: plain.tenant,
    leaseId: granted?.leaseId ?? lease?.leaseId,
    leaseFencingToken: granted?.fencingToken ?? lease?.fencingToken,
    leaseBytes: granted?.bytes ?? held?.bytes,
    leaseGrantedBytes: granted?.grantedBytes,
    leaseCacheRatio: granted?.cacheRatio,
    leaseOutcome: plain.outcome,
    leaseReason: full?.reason ?? refused?.reason,
  };
}

const ERROR_CODES: Partial<Record<status, ErrorCode>> = {
  [status.INVALID_ARGUMENT]: 'invalid_request',
  [status.UNAVAILABLE]: 'budget_unavailable',
};

interface Failure {
  readonly code: status;
  readonly message: string;
}

function failureOf(error: unknown): Failure {
  const failure = error instanceof RpcException ? error.getError() : undefined;
  return typeof failure === 'object' ? (failure as Failure) : { code: status.INTERNAL, message: 'a defect' };
}
