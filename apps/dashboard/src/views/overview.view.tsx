import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'wouter';
import { getJson } from '../api/http.js';
import { useLiveOverview } from '../api/live.overview.js';
import type { History, Overview } from '../api/types.js';
import { TimeChart } from '../charts/time.chart.js';
import { formatAgo, formatBytes, formatCount, formatMs, formatShare } from '../numbers.js';
import { Figure, Figures, ShareBar } from '../ui/figures.js';
import { ErrorNotice, Notice } from '../ui/notice.js';
import { PageTitle } from '../ui/page.title.js';
import { StatusBadge } from '../ui/status.badge.js';

const SPANS = [
  [60, '1 hour'],
  [360, '6 hours'],
  [1440, '24 hours'],
] as const;
const HISTORY_MS = 15_000;

/** What runs and waits, live, and how it was before. */
export function OverviewView() {
  const { overview, live } = useLiveOverview();
  return (
    <>
      <PageTitle name="Overview">
        <span className={live ? 'live' : 'live off'} role="status">
          {live ? 'live' : 'waiting for the server'}
        </span>
      </PageTitle>
      {overview === undefined ? <p className="waiting">Loading…</p> : <Now overview={overview} />}
      <Before system={overview?.scope === 'system'} />
      {overview?.scope === 'system' ? <System overview={overview} /> : null}
    </>
  );
}

function Now({ overview: { scope, last_minutes: last, batches, queues, errors } }: { readonly overview: Overview }) {
  const { minutes, answers, first_token_ms: first, granted_ratio: granted, kept_bytes: kept, full_bytes: full } = last;
  const sum = (of: (queue: Overview['queues'][number]) => number): number =>
    queues.reduce((total, queue) => total + of(queue), 0);
  const queued = sum(
    (queue) =>
      queue.waiting_prepare + queue.active_prepare + queue.waiting_generate + queue.active_generate + queue.delayed,
  );
  const busy = answers + last.errors + batches.open + queued;
  const covered = `in ${Math.round(minutes)} min`;
  return (
    <>
      {busy > 0 ? null : (
        <Notice kind="empty">
          {scope === 'system' ? 'Nothing runs.' : 'Nothing ended lately, and no batch is open.'}{' '}
          <Link href="/try">Ask about a document</Link>, or send a batch:{' '}
          <code>madakv batch run documents/ --questions questions.csv</code>
        </Notice>
      )}
      <Figures>
        <Figure
          name="Answers a minute"
          value={(answers / minutes).toFixed(1)}
          detail={`${formatCount(answers)} ${covered}`}
        />
        <Figure
          name="First token after"
          value={first === null ? '–' : formatMs(first)}
          detail="from acceptance, mean"
        />
        <Figure
          name="Cache granted"
          value={granted === null ? '–' : formatShare(granted)}
          detail="of the whole, mean"
        />
        <Figure
          name="Cache kept"
          value={full === 0 ? '–' : formatShare(kept / full)}
          detail={full === 0 ? 'no answer yet' : `${formatBytes(kept)} of ${formatBytes(full)}`}
        />
        <Figure name="Errors" value={formatCount(last.errors)} detail={covered} />
        <Figure
          name="Open batches"
          value={formatCount(batches.open)}
          detail={`${formatCount(batches.lines_ended)} of ${formatCount(batches.lines)} lines ended`}
        />
      </Figures>
      {errors.length === 0 ? null : (
        <p className="errors-line">
          Errors of the last hour:{' '}
          {errors.map(({ code, count }) => (
            <span key={code} className="chip">
              <code>{code}</code> {formatCount(count)}
            </span>
          ))}
        </p>
      )}
    </>
  );
}

function Before({ system }: { readonly system: boolean }) {
  const [minutes, setMinutes] = useState<number>(60);
  const history = useQuery({
    queryKey: ['history', minutes],
    queryFn: ({ signal }) => getJson<History>(`/v1/overview/history?minutes=${minutes}`, signal),
    refetchInterval: HISTORY_MS,
    placeholderData: (before) => before,
  });
  const points = history.data?.points ?? [];
  const at = points.map(({ at_ms }) => at_ms);
  const perMinute = (history.data?.step_ms ?? 60_000) / 60_000;
  return (
    <section aria-labelledby="history">
      <div className="title">
        <h2 id="history">History</h2>
        <div className="segments" role="group" aria-label="Time that is shown">
          {SPANS.map(([span, name]) => (
            <button
              key={span}
              type="button"
              aria-pressed={span === minutes}
              onClick={() => {
                setMinutes(span);
              }}
            >
              {name}
            </button>
          ))}
        </div>
      </div>
      <ErrorNotice error={history.error} />
      <div className="charts">
        <TimeChart
          title="Requests a minute"
          at={at}
          format={(value) => (value === 0 ? '0' : value.toFixed(1))}
          series={[
            { name: 'answers', tone: 's1', area: true, values: points.map(({ answers }) => answers / perMinute) },
            { name: 'errors', tone: 's3', values: points.map(({ errors }) => errors / perMinute) },
          ]}
        />
        <TimeChart
          title="Time to the first token"
          at={at}
          format={formatMs}
          series={[{ name: 'mean', tone: 's2', values: points.map(({ first_token_ms }) => first_token_ms) }]}
        />
        <TimeChart
          title="Cache of the answers"
          at={at}
          format={formatBytes}
          series={[
            { name: 'without eviction', tone: 's4', area: true, values: points.map(({ full_bytes }) => full_bytes) },
            { name: 'kept', tone: 's1', area: true, values: points.map(({ kept_bytes }) => kept_bytes) },
          ]}
        />
        {system ? (
          <TimeChart
            title="Memory of all devices"
            at={at}
            format={formatBytes}
            steps
            series={[
              { name: 'capacity', tone: 's4', values: points.map(({ capacity_bytes }) => capacity_bytes) },
              { name: 'leased', tone: 's2', area: true, values: points.map(({ leased_bytes }) => leased_bytes) },
              {
                name: 'allocated',
                tone: 's1',
                area: true,
                values: points.map(({ allocated_bytes }) => allocated_bytes),
              },
            ]}
          />
        ) : (
          <TimeChart
            title="Share of the cache granted"
            at={at}
            format={formatShare}
            series={[{ name: 'mean', tone: 's2', values: points.map(({ granted_ratio }) => granted_ratio) }]}
          />
        )}
      </div>
    </section>
  );
}

function System({ overview: { queues, devices, workers } }: { readonly overview: Overview }) {
  return (
    <>
      <section aria-labelledby="queues">
        <h2 id="queues">Queues</h2>
        <div className="scroll" tabIndex={0} role="region" aria-labelledby="queues">
          <table>
            <thead>
              <tr>
                <th scope="col">Model</th>
                <th scope="col">Preparing</th>
                <th scope="col">Waiting to prepare</th>
                <th scope="col">Answering</th>
                <th scope="col">Waiting to answer</th>
                <th scope="col">Delayed</th>
              </tr>
            </thead>
            <tbody>
              {queues.map((queue) => (
                <tr key={queue.model}>
                  <th scope="row">{queue.model}</th>
                  {[
                    queue.active_prepare,
                    queue.waiting_prepare,
                    queue.active_generate,
                    queue.waiting_generate,
                    queue.delayed,
                  ].map((count, i) => (
                    <td key={i} className="number">
                      {formatCount(count)}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </section>
      <section aria-labelledby="devices">
        <h2 id="devices">Devices</h2>
        {devices.length === 0 ? <Notice kind="empty">No worker has announced a device.</Notice> : null}
        <div className="cards">
          {devices.map((device) => (
            <article key={device.id} className="card">
              <h3>{device.id}</h3>
              <p>
                <small>{device.model}</small>
              </p>
              <ShareBar share={device.leased_bytes / Math.max(1, device.capacity_bytes)} label="leased" tone="leased" />
              <ul className="plain">
                <li>
                  <b>{formatBytes(device.leased_bytes)}</b> leased by {formatCount(device.leases)}, of{' '}
                  {formatBytes(device.capacity_bytes)}
                </li>
                <li>
                  <b>{formatBytes(device.kept_bytes)}</b> allocated, <b>{formatBytes(device.free_bytes)}</b> free
                </li>
                <li>{device.waiting === 0 ? 'nobody waits' : `${formatCount(device.waiting)} wait for room`}</li>
              </ul>
            </article>
          ))}
        </div>
      </section>
      <section aria-labelledby="workers">
        <h2 id="workers">Workers</h2>
        {workers.length === 0 ? (
          <Notice kind="empty">No worker runs: batches and questions wait for one.</Notice>
        ) : null}
        <div className="cards">
          {workers.map((worker) => (
            <article key={worker.id} className="card">
              <h3>
                {worker.id} <StatusBadge status={worker.state} />
              </h3>
              <ul className="plain">
                <li>takes {worker.roles.join(', ')}</li>
                {worker.model === null ? null : (
                  <li>
                    {worker.model}
                    {worker.provider === null
                      ? ''
                      : `, ${worker.provider}, weights ${worker.precision}, cache ${worker.kv_precision}`}
                  </li>
                )}
                {worker.progress === null ? null : (
                  <li>
                    builds graph {worker.progress.done} of {worker.progress.total}
                  </li>
                )}
                <li>
                  {formatBytes(worker.memory_bytes)} resident, seen {formatAgo(worker.seen_at_ms)}
                </li>
              </ul>
            </article>
          ))}
        </div>
      </section>
    </>
  );
}
