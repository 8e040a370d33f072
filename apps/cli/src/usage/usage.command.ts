import { USAGE_DAYS, type UsageReport, type UsageTotals } from '@madakv/contracts';
import { formatBytes, formatCount, formatTime } from '@madakv/insight';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { addServerOptions, findServer, type ServerFlags } from '../api/server.access.js';
import type { UsageAsked } from '../api/api.client.js';
import type { CommandIo } from '../command.io.js';
import { wholeNumber } from '../flag.values.js';
import { textTable, type Cell } from '../terminal/text.table.js';

const GROUPS = ['model', 'tenant'] as const;
type Group = (typeof GROUPS)[number];

interface UsageFlags extends ServerFlags {
  readonly days: number;
  readonly by?: readonly Group[];
  readonly tenant?: string;
  readonly csv?: true;
  readonly json?: true;
}

const DAY_MS = 86_400_000;

export function registerUsage(program: Command, io: CommandIo): void {
  addServerOptions(program.command('usage'))
    .description('Say what was used, by day (UTC), and what may still be.')
    .option('--days <number>', 'so many days, the last of which is today', wholeNumber(1, USAGE_DAYS), 30)
    .addOption(new Option('--by <name>', 'a row for each of a day, again for both').choices(GROUPS).argParser(oneMore))
    .option('--tenant <name>', 'of another tenant, or * for all; with an operator’s key')
    .addOption(new Option('--csv', 'print a table for spreadsheets').conflicts('json'))
    .option('--json', 'print the report as an object')
    .addHelpText('after', '\nExamples:\n  madakv usage --days 7 --by model\n  madakv usage --csv > usage.csv')
    .action(async (flags: UsageFlags) => {
      const { client } = findServer(flags, io);
      const asked = askedOf(flags, Date.now());
      if (flags.csv === true) {
        for await (const piece of await client.usageTable(asked)) io.stdout.write(Buffer.from(piece).toString());
        return;
      }
      const report = await client.usage(asked);
      io.stdout.write(flags.json === true ? `${JSON.stringify(report)}\n` : usageText(report));
    });
}

function oneMore(value: string, before: readonly Group[] = []): Group[] {
  const name = GROUPS.find((each) => each === value);
  if (name === undefined) throw new InvalidArgumentError(`It must be ${GROUPS.join(' or ')}.`);
  return [...before, name];
}

function askedOf({ days, by, tenant }: UsageFlags, nowMs: number): UsageAsked {
  const start = new Date(nowMs - (days - 1) * DAY_MS).toISOString().slice(0, 10);
  return {
    start,
    ...(by === undefined ? {} : { group_by: by.join(',') }),
    ...(tenant === undefined ? {} : { tenant }),
  };
}

/** The report as a table with its sum, and below it what may still be used. */
export function usageText({ start, end, data, group_by: by, total, quota }: UsageReport): string {
  const head = ['date', ...by, 'requests', 'errors', 'prompt', 'cached', 'answer', 'tokens', 'cache', 'kept'];
  const rows = data.map((row) => [row.date, ...by.map((name) => row[name] ?? ''), ...cells(row)]);
  const sum = ['total', ...by.map(() => ''), ...cells(total)];
  const table = data.length === 0 ? `no requests from ${start} to ${end}\n` : textTable(head, [...rows, sum]);
  return `${table}${quotaText(quota)}`;
}

function cells(of: UsageTotals): Cell[] {
  const counts = [of.requests, of.errors, of.prompt_tokens, of.cached_tokens, of.completion_tokens, of.total_tokens];
  return [...counts.map(formatCount), formatBytes(of.full_bytes), formatBytes(of.kept_bytes)];
}

function quotaText(quota: UsageReport['quota']): string {
  if (quota === null) return '';
  const { tokens_per_day: day, queued_tokens: queue } = quota;
  const of = (limit: number | null): string => (limit === null ? ', no limit' : ` of ${formatCount(limit)}`);
  const today = `${formatCount(day.used)} used and ${formatCount(day.reserved)} reserved${of(day.limit)}`;
  const reset = day.limit === null ? '' : `; anew at ${formatTime(day.resets_at)}`;
  return `\ntokens today   ${today}${reset}\nqueued tokens  ${formatCount(queue.reserved)}${of(queue.limit)}\n`;
}
