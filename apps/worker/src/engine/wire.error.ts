import { MadakvError, type ErrorCode } from '@madakv/contracts';
import { GrantTooSmallError, PolicyOptionError, UnknownPolicyError } from '@madakv/madakv';
import { ImageError, PromptError } from '@madakv/models';
import { asUnspeakable } from '@madakv/requests';

/** An error between threads, where classes get lost. */
export interface WireError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly param?: string;
  readonly reason?: string;
}

/** What V8 and ONNX Runtime say when memory cannot be allocated. */
const OUT_OF_MEMORY = /allocation failed|failed to allocate|bad_alloc|out of memory|invalid array buffer length/i;

/** The error that a request fails with, whatever the engine threw. */
export function toMadakvError(error: unknown): MadakvError {
  const known = error instanceof MadakvError ? error : asUnspeakable(error);
  if (known !== undefined) return known;
  const cause = error;
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof PromptError) return new MadakvError('invalid_request', message, { param: 'messages', cause });
  if (error instanceof ImageError) return new MadakvError('invalid_document', message, { reason: 'bad_image', cause });
  if (error instanceof UnknownPolicyError) {
    return new MadakvError('invalid_request', message, { param: 'madakv.policy', cause });
  }
  if (error instanceof PolicyOptionError) {
    return new MadakvError('invalid_request', message, { param: 'madakv.options', cause });
  }
  if (error instanceof GrantTooSmallError) {
    return new MadakvError('cache_ratio_too_small', message, { param: 'madakv.cache_ratio', cause });
  }
  if (OUT_OF_MEMORY.test(message)) {
    return new MadakvError('engine_crashed', `the engine ran out of memory: ${message}`, { cause });
  }
  return new MadakvError('internal_error', `the engine failed: ${message}`, { cause });
}

export function toWire(error: unknown): WireError {
  const { code, message, param, reason } = toMadakvError(error);
  return { code, message, ...(param === undefined ? {} : { param }), ...(reason === undefined ? {} : { reason }) };
}

export function fromWire({ code, message, ...options }: WireError): MadakvError {
  return new MadakvError(code, message, options);
}
