import { expect, it } from 'vitest';
import { RouteTable } from './route.table.js';

it('knows the methods of a path', () => {
  const table = new RouteTable();
  table.add('/v1/files', ['get', 'post']);
  table.add('/v1/files/{id}', ['get']);
  table.add('/v1/a.b', ['get']);
  expect(table.methodsOf('/v1/files')).toEqual(['GET', 'POST']);
  expect(table.methodsOf('/v1/files/')).toEqual(['GET', 'POST']);
  expect(table.methodsOf('/v1/files/file-1')).toEqual(['GET']);
  expect(table.methodsOf('/v1/files/file-1/content')).toEqual([]);
  expect(table.methodsOf('/v1/aXb')).toEqual([]);
});

it.each([
  ['/files/file-1', '/v1/files/file-1'],
  ['/v1/v1/files', '/v1/files'],
  ['//v1//files', '/v1/files'],
  ['/v1/v1/v1/files/', '/v1/files/'],
  ['/v2/files', undefined],
  ['/', undefined],
  [`${'/'.repeat(10_000)}x`, undefined],
])('knows what was meant by %s', (path, meant) => {
  const table = new RouteTable();
  table.add('/v1/files', ['get']);
  table.add('/v1/files/{id}', ['get']);
  expect(table.meantBy(path)).toBe(meant);
});
