import { SetMetadata, type ExecutionContext } from '@nestjs/common';
import type { Reflector } from '@nestjs/core';

const KEY = 'madakv:open-route';

/** A route that needs no key: whoever calls it wants to get in. */
export const OpenRoute = (): MethodDecorator => SetMetadata(KEY, true);

export function isOpenRoute(reflector: Reflector, context: ExecutionContext): boolean {
  return reflector.get<boolean | undefined>(KEY, context.getHandler()) === true;
}
