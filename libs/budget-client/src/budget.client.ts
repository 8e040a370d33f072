import { Client, credentials, Metadata, status, type ServiceError } from '@grpc/grpc-js';
import { loadSync, type MethodDefinition } from '@grpc/proto-loader';
import {
  BUDGET_METHODS,
  BUDGET_PACKAGE,
  BUDGET_PROTO_OPTIONS,
  BUDGET_PROTO_PATH,
  BUDGET_SERVICE,
  MadakvError,
  type BudgetMethod,
  type BudgetReply,
  type BudgetRequest,
  type ErrorCode,
} from '@madakv/contracts';

export interface BudgetClientOptions {
  /** host:port of the service. */
  readonly address: string;
  /** A call without a reply after this fails as `budget_unavailable`. */
  readonly deadlineMs?: number;
  /** The longest pause between two attempts to connect again. */
  readonly maxReconnectMs?: number;
  /** A connection of its own, where clients of one process would otherwise share one to the same address. */
  readonly ownConnection?: boolean;
  /** W3C traceparent of whoever calls, if any; the service's span of the call becomes its child. */
  readonly traceparent?: () => string | undefined;
}

/**
 * The memory-budget service from a worker's side: `client.call('acquire', {...})`. It connects by itself, again and
 * again; while there is no connection, calls fail at once. Any call may be repeated after a failure.
 *
 * Outcomes that a caller must handle are values in the reply. What is thrown is a MadakvError: `budget_unavailable` (may
 * pass later), `invalid_request` or `internal_error` (a defect of the caller or of the service).
 */
export class BudgetClient {
  private readonly client: Client;
  private readonly methods: Methods;
  private readonly deadlineMs: number;
  private readonly traceparent: () => string | undefined;

  constructor({
    address,
    deadlineMs = 2_000,
    maxReconnectMs = 2_000,
    ownConnection = false,
    traceparent = () => undefined,
  }: BudgetClientOptions) {
    this.deadlineMs = deadlineMs;
    this.traceparent = traceparent;
    this.methods = methodsOf();
    this.client = new Client(address, credentials.createInsecure(), {
      'grpc.initial_reconnect_backoff_ms': Math.min(100, maxReconnectMs),
      'grpc.max_reconnect_backoff_ms': maxReconnectMs,
      'grpc.keepalive_time_ms': 10_000,
      'grpc.keepalive_timeout_ms': 2_000,
      'grpc.use_local_subchannel_pool': ownConnection ? 1 : 0,
    });
  }

  async call<M extends BudgetMethod>(method: M, request: BudgetRequest<M>): Promise<BudgetReply<M>> {
    const { path, requestSerialize, responseDeserialize } = this.definitionOf(method);
    const reply = await new Promise<unknown>((resolve, reject) => {
      const deadline = Date.now() + this.deadlineMs;
      this.client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        this.metadata(),
        { deadline },
        (error, value) => {
          if (error === null) resolve(value);
          else reject(asMadakvError(method, error));
        },
      );
    });
    return BUDGET_METHODS[method].reply.parse(reply) as BudgetReply<M>;
  }

  close(): void {
    this.client.close();
  }

  private metadata(): Metadata {
    const metadata = new Metadata();
    const traceparent = this.traceparent();
    if (traceparent !== undefined) metadata.set('traceparent', traceparent);
    return metadata;
  }

  private definitionOf(method: BudgetMethod): MethodDefinition<object, object> {
    const definition = this.methods[`${method.charAt(0).toUpperCase()}${method.slice(1)}`];
    if (definition === undefined) throw new MadakvError('internal_error', `budget.proto has no method ${method}`);
    return definition;
  }
}

type Methods = Readonly<Partial<Record<string, MethodDefinition<object, object>>>>;
let methods: Methods | undefined;

/** The service's methods, read from budget.proto once for all clients. */
function methodsOf(): Methods {
  methods ??= loadSync(BUDGET_PROTO_PATH, BUDGET_PROTO_OPTIONS)[`${BUDGET_PACKAGE}.${BUDGET_SERVICE}`] as Methods;
  return methods;
}

const CODES: Partial<Record<status, ErrorCode>> = {
  [status.INVALID_ARGUMENT]: 'invalid_request',
  [status.INTERNAL]: 'internal_error',
  [status.UNIMPLEMENTED]: 'internal_error',
};

function asMadakvError(method: BudgetMethod, error: ServiceError): MadakvError {
  const code = CODES[error.code] ?? 'budget_unavailable';
  return new MadakvError(code, `memory-budget service, ${method}: ${error.details}`, { cause: error });
}
