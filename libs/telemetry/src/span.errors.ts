import { SpanStatusCode, type Span } from '@opentelemetry/api';
import { MadakvError } from '@madakv/contracts';
import { named } from './attributes.js';

/** By these a BullMQ processor says that its job goes back to waiting. Nothing has failed. */
const NOT_FAILURES: ReadonlySet<string> = new Set([
  'DelayedError',
  'WaitingError',
  'WaitingChildrenError',
  'RateLimitError',
]);

/** `error.type` of spans and metrics: the code of a MadakvError, or the class of another error. */
export function errorTypeOf(error: unknown): string {
  if (error instanceof MadakvError) return error.code;
  return error instanceof Error ? error.name : '_OTHER';
}

/**
 * Marks the span as failed. Only a MadakvError's message goes into it: others', and stacks, may quote a document.
 */
export function recordError(span: Span, error: unknown): void {
  if (error instanceof Error && NOT_FAILURES.has(error.name)) return;
  const errorType = errorTypeOf(error);
  const message = error instanceof MadakvError ? error.message : undefined;
  span.setAttributes(named({ errorType, errorReason: error instanceof MadakvError ? error.reason : undefined }));
  span.recordException({ name: errorType, message: message ?? '' });
  span.setStatus({ code: SpanStatusCode.ERROR, ...(message !== undefined && { message }) });
}
