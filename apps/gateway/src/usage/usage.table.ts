import type { UsageReport } from '@madakv/contracts';
import { safeCell } from '@madakv/insight';
import { stringify } from 'csv-stringify/sync';

const COUNTS = [
  'requests',
  'errors',
  'prompt_tokens',
  'cached_tokens',
  'completion_tokens',
  'total_tokens',
  'full_bytes',
  'kept_bytes',
] as const;

/** The rows of a report as a table, RFC 4180 with a byte order mark: spreadsheets take it for UTF-8. */
export function usageTable({ data, group_by }: Pick<UsageReport, 'data' | 'group_by'>): string {
  const columns = ['date', ...group_by, ...COUNTS] as const;
  const rows = data.map((row) => columns.map((column) => safeCell(String(row[column] ?? ''))));
  return `\uFEFF${stringify([[...columns], ...rows], { record_delimiter: 'windows' })}`;
}
