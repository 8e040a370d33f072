import type { UsageReport } from '../api/types.js';
import { formatBytes, formatCount, formatShare } from '../numbers.js';

type Totals = UsageReport['total'];

/** The rows of a report, the latest day first, with their sum. */
export function UsageTable({ report: { data, group_by: by, total } }: { readonly report: UsageReport }) {
  const latestFirst = [...new Set(data.map(({ date }) => date))].reverse();
  const rows = latestFirst.flatMap((date) => data.filter((row) => row.date === date));
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label="Usage by day">
      <table className="wide">
        <thead>
          <tr>
            <th scope="col">Day (UTC)</th>
            {by.map((name) => (
              <th key={name} scope="col">
                {name === 'model' ? 'Model' : 'Tenant'}
              </th>
            ))}
            {['Requests', 'Errors', 'Prompt', 'Cached', 'Answer', 'Tokens', 'Cache', 'Kept'].map((name) => (
              <th key={name} scope="col" className="number">
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={[row.date, ...by.map((name) => row[name])].join(' ')}>
              <th scope="row" className="nowrap">
                {row.date}
              </th>
              {by.map((name) => (
                <td key={name}>{row[name]}</td>
              ))}
              <Counts of={row} />
            </tr>
          ))}
        </tbody>
        <tfoot>
          <tr>
            <th scope="row" colSpan={1 + by.length}>
              Total
            </th>
            <Counts of={total} />
          </tr>
        </tfoot>
      </table>
    </div>
  );
}

function Counts({ of }: { readonly of: Totals }) {
  const counts = [of.requests, of.errors, of.prompt_tokens, of.cached_tokens, of.completion_tokens, of.total_tokens];
  return (
    <>
      {counts.map((count, i) => (
        <td key={i} className="number">
          {formatCount(count)}
        </td>
      ))}
      <td className="number nowrap">{formatBytes(of.full_bytes)}</td>
      <td className="number nowrap">
        {formatBytes(of.kept_bytes)}{' '}
        {of.full_bytes === 0 ? null : <small>{formatShare(of.kept_bytes / of.full_bytes)}</small>}
      </td>
    </>
  );
}
