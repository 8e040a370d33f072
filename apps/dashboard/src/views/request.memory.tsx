import type { TraceView } from '../api/types.js';
import { TimeChart } from '../charts/time.chart.js';
import { formatBytes, formatMs } from '../numbers.js';
import { Notice } from '../ui/notice.js';

type Trace = TraceView['trace'];

/** What the lease held over time, against the whole cache and what was kept of it. */
export function MemoryChart({ trace }: { readonly trace: Trace }) {
  const events = trace.lease?.events ?? [];
  const from = events.at(0)?.atMs;
  if (from === undefined) return <Notice kind="empty">It never had memory: it ended before it was granted any.</Notice>;
  const at = events.map(({ atMs }) => atMs - from);
  const level = (bytes: number): number[] => events.map(() => bytes);
  const bytes = trace.cache?.bytes;
  return (
    <TimeChart
      title={`Cache, from when memory was first asked for${(trace.lease?.requests ?? 1) > 1 ? `; one lease of ${trace.lease?.requests} requests` : ''}`}
      at={at}
      steps
      format={formatBytes}
      formatAt={(ms) => `+${formatMs(ms)}`}
      height={220}
      series={[
        { name: 'leased', tone: 's2', area: true, values: events.map((event) => event.bytes) },
        ...(bytes === undefined
          ? []
          : [
              { name: 'whole cache', tone: 's4', values: level(bytes.full) },
              { name: 'peak', tone: 's3', values: level(bytes.peak) },
              { name: 'kept', tone: 's1', values: level(bytes.afterEviction) },
            ]),
      ]}
    />
  );
}

export function LeaseHistory({ trace: { lease } }: { readonly trace: Trace }) {
  if (lease === null) return null;
  const from = lease.events.at(0)?.atMs ?? 0;
  return (
    <section aria-labelledby="lease">
      <h2 id="lease">Lease</h2>
      <p className="facts">
        {formatBytes(lease.grantedBytes)} granted on {lease.deviceId}, fencing token {lease.fencingToken},{' '}
        <code>{lease.leaseId}</code>
      </p>
      <table>
        <thead>
          <tr>
            <th scope="col">After</th>
            <th scope="col">Event</th>
            <th scope="col">Holds</th>
            <th scope="col">Detail</th>
          </tr>
        </thead>
        <tbody>
          {lease.events.map(({ atMs, event, bytes, detail }, i) => (
            <tr key={i}>
              <td className="number">+{formatMs(atMs - from)}</td>
              <td>{event}</td>
              <td className="number">{formatBytes(bytes)}</td>
              <td>{detail ?? ''}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
