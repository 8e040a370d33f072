import { expect, it } from 'vitest';
import type { UsageReport } from '../api/types.js';
import { dateBefore, daysOf, latestFirst } from './usage.days.js';

const row = (date: string, model: string, prompt: number, cached: number, completion: number) => ({
  ...{ date, model, requests: 1, errors: 0, full_bytes: 0, kept_bytes: 0 },
  ...{ prompt_tokens: prompt, cached_tokens: cached, completion_tokens: completion, total_tokens: prompt + completion },
});

it('every day has its tokens, each counted once, whatever the rows are grouped by', () => {
  const data: UsageReport['data'] = [
    row('2026-02-27', 'a', 10, 4, 1),
    row('2026-03-01', 'a', 5, 5, 2),
    row('2026-03-01', 'b', 7, 0, 3),
  ];
  expect(daysOf({ start: '2026-02-27', end: '2026-03-01', data })).toEqual([
    { date: '2026-02-27', computed: 6, cached: 4, completion: 1 },
    { date: '2026-02-28', computed: 0, cached: 0, completion: 0 },
    { date: '2026-03-01', computed: 7, cached: 5, completion: 5 },
  ]);
});

it('dates are those of UTC', () => {
  expect(dateBefore(Date.parse('2026-03-01T00:00:00Z'), 1)).toBe('2026-02-28');
  expect(dateBefore(Date.parse('2026-03-01T23:59:59Z'), 0)).toBe('2026-03-01');
});

it('rows stand from the latest day on, up to the most that are shown', () => {
  const data = [
    row('2026-02-27', 'a', 1, 0, 0),
    row('2026-02-27', 'b', 2, 0, 0),
    row('2026-03-01', 'a', 3, 0, 0),
    row('2026-03-01', 'b', 4, 0, 0),
  ];
  const tokens = (most: number): number[] => latestFirst(data, most).map((each) => each.prompt_tokens);
  expect(tokens(9)).toEqual([3, 4, 1, 2]);
  expect(tokens(3)).toEqual([3, 4, 1]);
  const many = Array.from({ length: 20_000 }, (_, i) =>
    row(dateBefore(Date.parse('2026-03-01'), i % 92), 'a', i, 0, 0),
  );
  expect(latestFirst(many, 500)).toHaveLength(500);
});
