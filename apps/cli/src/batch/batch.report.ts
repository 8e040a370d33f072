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
