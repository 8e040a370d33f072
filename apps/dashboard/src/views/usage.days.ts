import type { UsageReport } from '../api/types.js';

const DAY_MS = 86_400_000;

/** Tokens of one day, each counted in one of the three. */
export interface DayOfTokens {
  /** UTC, like 2026-11-28. */
  readonly date: string;
  /** Of prompts, computed for the request itself. */
  readonly computed: number;
  /** Of prompts, not computed for it. */
  readonly cached: number;
  readonly completion: number;
}

/** The date so many days before a time (UTC). @param nowMs milliseconds since 1970 */
export function dateBefore(nowMs: number, days: number): string {
  return new Date(nowMs - days * DAY_MS).toISOString().slice(0, 10);
}

/** All days of a report, also those without requests, in order; rows of a day are added up. */
export function daysOf({ start, end, data }: Pick<UsageReport, 'start' | 'end' | 'data'>): DayOfTokens[] {
  const days: DayOfTokens[] = [];
  const known = byDate(data);
  for (let ms = Date.parse(start); ms <= Date.parse(end); ms += DAY_MS) {
    const date = dateBefore(ms, 0);
    const rows = known.get(date) ?? [];
    const sum = (of: (row: (typeof rows)[number]) => number): number => rows.reduce((total, row) => total + of(row), 0);
    days.push({
      date,
      computed: sum((row) => row.prompt_tokens - row.cached_tokens),
      cached: sum((row) => row.cached_tokens),
      completion: sum((row) => row.completion_tokens),
    });
  }
  return days;
}

/** Rows of the latest day first, those of a day in their order. @param most of them */
export function latestFirst<Row extends { readonly date: string }>(data: readonly Row[], most: number): Row[] {
  return [...byDate(data).values()].reverse().flat().slice(0, most);
}

/** Rows by their days, in order. */
function byDate<Row extends { readonly date: string }>(data: readonly Row[]): Map<string, Row[]> {
  const days = new Map<string, Row[]>();
  for (const row of data) {
    const rows = days.get(row.date);
    if (rows === undefined) days.set(row.date, [row]);
    else rows.push(row);
  }
  return days;
}
