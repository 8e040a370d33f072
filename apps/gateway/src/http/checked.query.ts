import { requestError } from '@madakv/contracts';
import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Request } from 'express';
import type { z } from 'zod';

/** @throws MadakvError invalid_request: `param` is the first key that is wrong */
export function checked<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw requestError(parsed.error.issues);
}

/** The query string, as the schema has it. Keys that it does not know are ignored. */
export function CheckedQuery(schema: z.ZodType): ParameterDecorator {
  // Nest takes a schema for a pipe, as it has a method `transform`; so it is not handed over as data.
  return createParamDecorator((_: unknown, context: ExecutionContext): unknown =>
    checked(schema, context.switchToHttp().getRequest<Request>().query),
  )();
}
