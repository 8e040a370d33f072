import { useQueries, useQuery, type QueryClient, useQueryClient } from '@tanstack/react-query';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useDeferredValue, useRef, useState } from 'react';
import { Link } from 'wouter';
import { getJson, withQuery } from '../api/http.js';
import type { BatchLineObject, BatchLinePage, BatchObject, LineStatus } from '../api/types.js';
import { formatCount } from '../numbers.js';
import { ErrorNotice, Notice } from '../ui/notice.js';
import { StatusBadge } from '../ui/status.badge.js';
import { BatchLinePanel } from './batch.line.panel.js';
import { hasEnded } from './batch.progress.js';

const PAGE = 200;
const ROW_PX = 34;
const REFRESH_MS = 2_000;
const STATUSES: readonly LineStatus[] = ['waiting', 'completed', 'failed', 'unknown'];

interface BatchLinesProps {
  readonly batch: BatchObject;
  /** Only lines that failed with this code. */
  readonly code: string | undefined;
  readonly onCode: (code: string | undefined) => void;
}

/** All lines of a batch, of which only those in sight are there: fifty thousand scroll as fifty do. */
export function BatchLines({ batch, code, onCode }: BatchLinesProps) {
  const [status, setStatus] = useState<LineStatus>();
  const [typed, setTyped] = useState('');
  const search = useDeferredValue(typed);
  const [line, setLine] = useState<number>();
  const box = useRef<HTMLDivElement>(null);
  const refresh: number | false = hasEnded(batch) ? false : REFRESH_MS;
  const queries = useQueryClient();
  const filter = { status, code, search };
  const pageQuery = (page: number) => ({
    queryKey: ['lines', batch.id, hasEnded(batch), filter, page],
    queryFn: ({ signal }: { readonly signal: AbortSignal }) => {
      const path = `/v1/batches/${encodeURIComponent(batch.id)}/lines`;
      return getJson<BatchLinePage>(withQuery(path, { ...filter, offset: page * PAGE, limit: PAGE }), signal);
    },
    refetchInterval: refresh,
  });
  const first = useQuery({ ...pageQuery(0), placeholderData: (before) => before });
  const total = first.data?.total ?? 0;
  const rows = useVirtualizer({
    count: total,
    getScrollElement: () => box.current,
    estimateSize: () => ROW_PX,
    overscan: 20,
  });
  const items = rows.getVirtualItems();
  const pages = pagesOf(items.map(({ index }) => index));
  const inSight = useQueries({ queries: pages.map((page) => pageQuery(page)) });
  const byPage = new Map(pages.map((page, i) => [page, inSight[i]?.data ?? known(queries, pageQuery(page).queryKey)]));
  const counts = first.data?.counts;
  return (
    <div className="lines">
      <div className="options">
        <label>
          Status{' '}
          <select
            value={status ?? ''}
            onChange={({ target }) => {
              setStatus(STATUSES.find((one) => one === target.value));
            }}
          >
            <option value="">all{counts === undefined ? '' : ` (${formatCount(sum(counts))})`}</option>
            {STATUSES.map((one) => (
              <option key={one} value={one}>
                {one}
                {counts === undefined ? '' : ` (${formatCount(counts[one])})`}
              </option>
            ))}
          </select>
        </label>
        <label>
          custom_id{' '}
          <input
            type="search"
            value={typed}
            placeholder="part of it"
            onChange={({ target }) => {
              setTyped(target.value);
            }}
          />
        </label>
        {code === undefined ? null : (
          <button
            type="button"
            className="chip"
            onClick={() => {
              onCode(undefined);
            }}
          >
            only <code>{code}</code> ✕<span className="hidden">, show all</span>
          </button>
        )}
        <span role="status">{first.data === undefined ? '' : `${formatCount(total)} lines`}</span>
      </div>
      <ErrorNotice error={first.error} />
      {first.isSuccess && total === 0 ? <Notice kind="empty">No line is like that. Look for less.</Notice> : null}
      <div className="with-panel">
        <div className="table" role="table" aria-label="Lines of the batch" aria-rowcount={total + 1}>
          <div role="rowgroup">
            <div role="row" className="row head" aria-rowindex={1}>
              {['Line', 'custom_id', 'Status', 'Error', 'Tokens in / out'].map((name) => (
                <span key={name} role="columnheader">
                  {name}
                </span>
              ))}
            </div>
          </div>
          <div ref={box} className="rows" role="rowgroup" tabIndex={0} aria-label="Lines, scrolled with the arrow keys">
            <div style={{ height: rows.getTotalSize() }} role="presentation">
              {items.map(({ index, start }) => (
                <Row
                  key={index}
                  index={index}
                  start={start}
                  line={byPage.get(Math.floor(index / PAGE))?.data[index % PAGE]}
                  chosen={line}
                  onChoose={setLine}
                />
              ))}
            </div>
          </div>
        </div>
        {line === undefined ? null : (
          <BatchLinePanel
            batchId={batch.id}
            line={line}
            onClose={() => {
              setLine(undefined);
            }}
          />
        )}
      </div>
    </div>
  );
}

interface RowProps {
  readonly index: number;
  readonly start: number;
  /** Undefined while its page is on the way. */
  readonly line: BatchLineObject | undefined;
  readonly chosen: number | undefined;
  readonly onChoose: (line: number) => void;
}

function Row({ index, start, line, chosen, onChoose }: RowProps) {
  const position = { transform: `translateY(${start}px)`, height: ROW_PX };
  if (line === undefined) {
    return (
      <div role="row" className="row" style={position} aria-rowindex={index + 2}>
        <span role="cell">…</span>
      </div>
    );
  }
  const { custom_id: customId, status, error_code: error, prompt_tokens: prompt, completion_tokens: completion } = line;
  return (
    <div role="row" className={line.line === chosen ? 'row chosen' : 'row'} style={position} aria-rowindex={index + 2}>
      <span role="cell" className="number">
        {formatCount(line.line)}
      </span>
      <span role="cell">
        <button
          type="button"
          className="link"
          onClick={() => {
            onChoose(line.line);
          }}
        >
          {customId ?? '(none)'}
        </button>
      </span>
      <span role="cell">
        <StatusBadge status={status} />
      </span>
      <span role="cell">
        {error === null ? '' : <code>{error}</code>}
        {line.answered_by === null ? null : <Link href={`/batches/${line.answered_by}`}> answered in a retry</Link>}
      </span>
      <span role="cell" className="number">
        {prompt === null ? '' : `${formatCount(prompt)} / ${formatCount(completion ?? 0)}`}
      </span>
    </div>
  );
}

/** Pages that hold these rows. */
function pagesOf(indices: readonly number[]): number[] {
  return [...new Set(indices.map((index) => Math.floor(index / PAGE)))];
}

function known(queries: QueryClient, key: readonly unknown[]): BatchLinePage | undefined {
  return queries.getQueryData<BatchLinePage>(key);
}

function sum(counts: Readonly<Record<LineStatus, number>>): number {
  return STATUSES.reduce((total, status) => total + counts[status], 0);
}
