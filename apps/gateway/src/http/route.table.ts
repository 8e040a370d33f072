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

  /** @returns the path that is known, for one that comes of an address with /v1 missing or twice, or with a slash too many */
  meantBy(path: string): string | undefined {
    const meant = `/v1/${path.replace(/^(\/+v1(?=\/))*\/+/, '').replaceAll(/\/+/g, '/')}`;
    return this.methodsOf(meant).length === 0 ? undefined : meant;
  }

  /** @returns none for a path that is not known */
  methodsOf(path: string): string[] {
    return this.routes.filter((route) => route.path.test(path)).flatMap(({ methods }) => methods);
  }
}
