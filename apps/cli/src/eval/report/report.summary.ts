import { formatRatio, reportedRatios, type EvalReport } from '@madakv/evaluation';
import { textTable } from '../../terminal/text.table.js';
import { formatCount } from '@madakv/insight';

/** A report for the terminal. @param report undefined while no question that counts for accuracy has all of its answers */
export function reportSummary(report: EvalReport | undefined): string {
  if (report === undefined) return 'no question that counts for accuracy has all of its answers yet\n';
  const ratios = reportedRatios(report);
  const rows = [...new Set(report.cells.map(({ variant }) => variant))].map((variant) => [
    variant,
    ...ratios.map((ratio) => {
      const cell = report.cells.find((one) => one.variant === variant && one.ratio === ratio);
      return cell === undefined ? '-' : (100 * cell.accuracy.value).toFixed(1);
    }),
  ]);
  const { complete, planned } = report.questions;
  return (
    `Right answers in per cent, mean over sets, ${formatCount(complete)} of ${formatCount(planned)} questions:\n` +
    textTable(['kept', ...ratios.map(formatRatio)], rows)
  );
}
