import { ERRORS, type ErrorCode } from '@madakv/contracts';
import { applyDecorators } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiBody,
  ApiConsumes,
  ApiCookieAuth,
  ApiHeader,
  ApiOperation,
  ApiParam,
  ApiQuery,
  ApiResponse,
} from '@nestjs/swagger';
import type { z } from 'zod';
import { queryParameters, schemaReference, type ApiSchemaName } from './api.schemas.js';

interface ApiRouteOptions {
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  /** Names of the path's parameters, with what they are. */
  readonly path?: Readonly<Record<string, string>>;
  readonly query?: z.ZodObject;
  /** Request headers, with what they are for. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: { readonly schema: ApiSchemaName; readonly type?: string };
  /** Of 200: media type -> schema; none is binary content. */
  readonly response: Readonly<Record<string, ApiSchemaName | undefined>>;
  readonly errors?: readonly ErrorCode[];
  /** Whether it is called without a key. */
  readonly open?: boolean;
}

/** What every route may answer. */
const COMMON_ERRORS = ['invalid_api_key', 'rate_limit_exceeded', 'internal_error', 'storage_unavailable'] as const;

/** Describes a route of a controller in the OpenAPI document. */
export function ApiRoute(route: ApiRouteOptions): MethodDecorator {
  const decorators = [
    ApiOperation({
      summary: route.summary,
      tags: [route.tag],
      ...(route.description === undefined ? {} : { description: route.description }),
    }),
    ...(route.open === true ? [] : [ApiBearerAuth(), ApiCookieAuth()]),
    ApiResponse({ status: 200, description: 'OK', content: contentOf(route.response) }),
    ...errorResponses([...COMMON_ERRORS, ...(route.errors ?? [])]),
    ...Object.entries(route.path ?? {}).map(([name, description]) =>
      ApiParam({ name, description, schema: { type: 'string' } }),
    ),
  ];
  for (const { name, schema } of route.query === undefined ? [] : queryParameters(route.query)) {
    decorators.push(ApiQuery({ name, required: false, schema }));
  }
  for (const [name, description] of Object.entries(route.headers ?? {})) {
    decorators.push(ApiHeader({ name, description, required: false, schema: { type: 'string' } }));
  }
  if (route.body !== undefined) {
    const { schema, type = 'application/json' } = route.body;
    decorators.push(ApiConsumes(type), ApiBody({ required: true, schema: schemaReference(schema) }));
  }
  return applyDecorators(...decorators);
}

function contentOf(types: Readonly<Record<string, ApiSchemaName | undefined>>) {
  return Object.fromEntries(
    Object.entries(types).map(([type, name]) => [type, name === undefined ? {} : { schema: schemaReference(name) }]),
  );
}

/** One response a status, which several codes may share. */
function errorResponses(codes: readonly ErrorCode[]): MethodDecorator[] {
  const statuses = new Map<number, ErrorCode[]>();
  for (const code of new Set(codes)) {
    const { status } = ERRORS[code];
    statuses.set(status, [...(statuses.get(status) ?? []), code]);
  }
  return [...statuses].map(([status, names]) =>
    ApiResponse({ status, description: names.join(', '), content: contentOf({ 'application/json': 'Error' }) }),
  );
}
