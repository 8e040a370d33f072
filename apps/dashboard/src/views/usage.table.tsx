import type { UsageReport } from '../api/types.js';
import { formatBytes, formatCount, formatShare } from '../numbers.js';
import { latestFirst } from './usage.days.js';

type Totals = UsageReport['total'];
/** Of a hundred tenants with three models each there are thousands: more than a page can show, or anybody reads. */
const MOST_ROWS = 500;

/** The rows of a report, the latest day first, with their sum. */
export function UsageTable({ report: { data, group_by: by, total } }: { readonly report: UsageReport }) {
  const rows = latestFirst(data, MOST_ROWS);
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
          {data.length > rows.length ? (
            <tr>
              <td colSpan={9 + by.length}>… {formatCount(data.length - rows.length)} more in the CSV</td>
            </tr>
          ) : null}
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
