import { formatMs } from '../numbers.js';

export interface Lane {
  readonly name: string;
  readonly fromMs: number;
  readonly tookMs: number;
  readonly detail?: string;
  /** What kind of time it was: waiting, an attempt that came to nothing, one whose end nobody saw, a step of another lane. */
  readonly tone?: 'wait' | 'failed' | 'open' | 'step';
}

/** Steps one below the other, each from when it began to when it ended. */
export function Lanes({ lanes, totalMs }: { readonly lanes: readonly Lane[]; readonly totalMs: number }) {
  const whole = Math.max(1, totalMs, ...lanes.map(({ fromMs, tookMs }) => fromMs + tookMs));
  const share = (ms: number): string => `${(100 * ms) / whole}%`;
  return (
    <table className="lanes">
      <caption className="hidden">Times of the steps</caption>
      <thead className="hidden">
        <tr>
          <th scope="col">Step</th>
          <th scope="col">When</th>
          <th scope="col">Took</th>
        </tr>
      </thead>
      <tbody>
        {lanes.map(({ name, fromMs, tookMs, detail, tone }, i) => (
          <tr key={i} className={tone}>
            <th scope="row">
              {name}
              {detail === undefined ? null : <small> {detail}</small>}
            </th>
            <td title={`from ${formatMs(fromMs)} to ${formatMs(fromMs + tookMs)}`}>
              <span className="lane" style={{ marginLeft: share(fromMs), width: `max(2px, ${share(tookMs)})` }} />
            </td>
            <td className="number">{formatMs(tookMs)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
