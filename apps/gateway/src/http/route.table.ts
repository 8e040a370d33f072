import { Injectable } from '@nestjs/common';

/** Which methods the paths of the API know. */
@Injectable()
export class RouteTable {
  private readonly routes: { readonly path: RegExp; readonly methods: readonly string[] }[] = [];

  /** @param path of an OpenAPI document: `/v1/files/{file_id}` */
  add(path: string, methods: readonly string[]): void {
    const pattern = path.replace(/[.*+?^$()|[\]\\]/g, '\\$&').replace(/\{[^}]+\}/g, '[^/]+');
    this.routes.push({ path: new RegExp(`^${pattern}/?$`), methods: methods.map((method) => method.toUpperCase()) });
  }

  /** @returns none for a path that is not known */
  methodsOf(path: string): string[] {
    return this.routes.filter((route) => route.path.test(path)).flatMap(({ methods }) => methods);
  }
}
