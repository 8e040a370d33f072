import { dayOfDate } from '@madakv/records';
import { describe, expect, it } from 'vitest';
import { usageQuery, UsageQuerySchema } from './usage.query.js';
import { grouped } from './usage.service.js';
import { usageTable } from './usage.table.js';

const NOW = Date.parse('2026-11-28T13:00:00Z');
const day = (date: string): number => dayOfDate(date) ?? NaN;
const query = (given: object) => usageQuery(UsageQuerySchema.parse(given), NOW);

describe('the query of usage', () => {
  it.each([
    [{}, '2026-10-30', '2026-11-28'],
    [{ end: '2026-11-01' }, '2026-10-03', '2026-11-01'],
    [{ start: '2026-11-27' }, '2026-11-27', '2026-11-28'],
    [{ start: '2026-11-27', end: '2026-11-27' }, '2026-11-27', '2026-11-27'],
    [{ start: '1999-12-31', end: '2999-01-01' }, '2026-08-29', '2026-11-28'],
  ])('%j is from %s to %s', (given, first, last) => {
    expect(query(given)).toMatchObject({ first: day(first), last: day(last), group_by: [], tenant: undefined });
  });

  it('is of 92 days at most, as is said', () => {
    const { first, last } = query({ start: '1999-12-31' }) as { first: number; last: number };
    expect(last - first + 1).toBe(92);
    expect(query({ end: '2026-08-29' })).toMatchObject({ last: day('2026-08-29') });
  });

  it('groups in one order, by each name once', () => {
    expect(query({ group_by: 'tenant,model,tenant' })).toMatchObject({ group_by: ['model', 'tenant'] });
  });

  it('is refused where no day is left', () => {
    expect(query({ start: '2026-11-29' })).toMatchObject({ wrong: 'end' });
    expect(query({ start: '2026-11-29', end: '2026-11-30' })).toMatchObject({ wrong: 'start' });
    expect(query({ end: '2026-08-28' })).toMatchObject({ wrong: 'end' });
  });
});

describe('rows of usage', () => {
  const counts = { requests: 1, errors: 0, promptTokens: 7, cachedTokens: 4, completionTokens: 2 };
  const bytes = { fullBytes: 10, keptBytes: 2 };
  const row = (date: string, tenant: string, model: string) => ({ day: day(date), tenant, model, ...counts, ...bytes });
  const rows = [
    row('2026-11-27', 'b', 'y'),
    row('2026-11-28', 'a', 'x'),
    row('2026-11-28', 'b', 'x'),
    row('2026-11-28', 'b', 'y'),
  ];

  it('are sums of a day, or of each name on it', () => {
    const of = (by: readonly ('model' | 'tenant')[]): unknown[] =>
      grouped(rows, by).map((each) => [each.date.slice(8), each.model, each.tenant, each.requests, each.total_tokens]);
    expect(of([])).toEqual([
      ['27', undefined, undefined, 1, 9],
      ['28', undefined, undefined, 3, 27],
    ]);
    expect(of(['model'])).toEqual([
      ['27', 'y', undefined, 1, 9],
      ['28', 'x', undefined, 2, 18],
      ['28', 'y', undefined, 1, 9],
    ]);
    expect(of(['model', 'tenant'])).toHaveLength(4);
  });

  it('are a table', () => {
    expect(usageTable({ data: grouped(rows.slice(0, 1), ['tenant']), group_by: ['tenant'] })).toBe(
      '\uFEFFdate,tenant,requests,errors,prompt_tokens,cached_tokens,completion_tokens,total_tokens,full_bytes,kept_bytes\r\n' +
        '2026-11-27,b,1,0,7,4,2,9,10,2\r\n',
    );
  });
});
