import type { BatchObject } from '@madakv/contracts';
import { formatCount, formatMs, formatTime } from '@madakv/insight';

/** Line errors that are shown. */
const SHOWN_ERRORS = 10;

/** A batch for people. */
export function batchReport(batch: BatchObject): string {
  const { total, completed, failed } = batch.request_counts;
  const left = total - completed - failed;
  const endedAt = batch.completed_at ?? batch.failed_at ?? batch.expired_at ?? batch.cancelled_at;
  const took = endedAt === undefined ? '' : `, took ${formatMs(1000 * (endedAt - batch.created_at))}`;
  const errors = batch.errors?.data ?? [];
  const lines = [
    `batch    ${batch.id}`,
    `status   ${batch.status}`,
    `lines    ${formatCount(total)}: ${formatCount(completed)} answered, ${formatCount(failed)} failed, ${formatCount(left)} left`,
    `created  ${formatTime(batch.created_at)}${took}`,
    ...paceOf(batch),
    ...(batch.usage === undefined
      ? []
      : [`tokens   ${formatCount(batch.usage.input_tokens)} read, ${formatCount(batch.usage.output_tokens)} written`]),
    ...(batch.output_file_id === undefined ? [] : [`output   ${batch.output_file_id}`]),
    ...(batch.error_file_id === undefined ? [] : [`errors   ${batch.error_file_id}`]),
    ...errors.slice(0, SHOWN_ERRORS).map(({ line, message }) => `  ${line === null ? '' : `line ${line}: `}${message}`),
    ...(errors.length > SHOWN_ERRORS ? [`  and ${errors.length - SHOWN_ERRORS} more`] : []),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

/** How fast it goes, and until when. Nothing before the first line has ended, or of an older server. */
function paceOf({ madakv }: BatchObject): string[] {
  const { lines_per_minute, eta_at } = madakv ?? {};
  if (lines_per_minute == null) return [];
  return [
    `pace     ${formatCount(lines_per_minute)} lines a minute${eta_at == null ? '' : `, done about ${formatTime(eta_at)}`}`,
  ];
}
