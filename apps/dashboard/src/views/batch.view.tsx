import * as Tabs from '@radix-ui/react-tabs';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { useLocation } from 'wouter';
import { getJson, postJson } from '../api/http.js';
import type { BatchObject, ErrorGroup } from '../api/types.js';
import { formatCount, formatTime } from '../numbers.js';
import { Figure, Figures, ShareBar } from '../ui/figures.js';
import { ErrorNotice, Notice } from '../ui/notice.js';
import { PageTitle } from '../ui/page.title.js';
import { StatusBadge } from '../ui/status.badge.js';
import { BatchLines } from './batch.lines.js';
import { hasEnded, keptShare, progressOf } from './batch.progress.js';

const REFRESH_MS = 2_000;

/** One batch: how far it is, its lines, and what failed of them. */
export function BatchView({ id }: { readonly id: string }) {
  const batch = useQuery({
    queryKey: ['batch', id],
    queryFn: ({ signal }) => getJson<BatchObject>(`/v1/batches/${encodeURIComponent(id)}`, signal),
    refetchInterval: ({ state }) => (state.data !== undefined && hasEnded(state.data) ? false : REFRESH_MS),
  });
  const [code, setCode] = useState<string>();
  const [tab, setTab] = useState('lines');
  return (
    <>
      <PageTitle name={id}>{batch.data === undefined ? null : <StatusBadge status={batch.data.status} />}</PageTitle>
      <ErrorNotice error={batch.error} />
      {batch.data === undefined ? (
        batch.isPending && <p className="waiting">Loading…</p>
      ) : (
        <>
          <Head batch={batch.data} />
          <Tabs.Root value={tab} onValueChange={setTab}>
            <Tabs.List aria-label="What of the batch is shown">
              <Tabs.Trigger value="lines">Lines</Tabs.Trigger>
              <Tabs.Trigger value="errors">Errors ({formatCount(batch.data.request_counts.failed)})</Tabs.Trigger>
            </Tabs.List>
            <Tabs.Content value="lines">
              <BatchLines batch={batch.data} code={code} onCode={setCode} />
            </Tabs.Content>
            <Tabs.Content value="errors">
              <Errors
                batch={batch.data}
                onChoose={(chosen) => {
                  setCode(chosen);
                  setTab('lines');
                }}
              />
            </Tabs.Content>
          </Tabs.Root>
        </>
      )}
    </>
  );
}

function Head({ batch }: { readonly batch: BatchObject }) {
  const queries = useQueryClient();
  const [, go] = useLocation();
  const { total, completed, failed } = batch.request_counts;
  const { share, left, rate } = progressOf(batch);
  const act = (action: 'cancel' | 'retry') => () =>
    postJson<BatchObject>(`/v1/batches/${encodeURIComponent(batch.id)}/${action}`, {});
  const cancel = useMutation({
    mutationFn: act('cancel'),
    onSuccess: (changed) => {
      queries.setQueryData(['batch', batch.id], changed);
    },
  });
  const retry = useMutation({
    mutationFn: act('retry'),
    onSuccess: (made) => {
      go(`/batches/${made.id}`);
    },
  });
  const results = `/v1/batches/${encodeURIComponent(batch.id)}/results`;
  return (
    <>
      <ShareBar share={share} label="lines that have ended" tone="large" />
      <Figures>
        <Figure
          name="Lines"
          value={formatCount(total)}
          detail={`${formatCount(completed)} answered, ${formatCount(failed)} failed`}
        />
        <Figure name="Lines a minute" value={rate} detail={left === '–' ? undefined : `${left} left`} />
        <Figure
          name="Tokens"
          value={batch.usage === undefined ? '–' : formatCount(batch.usage.total_tokens)}
          detail={
            batch.usage === undefined
              ? undefined
              : `${formatCount(batch.usage.input_tokens)} in, ${formatCount(batch.usage.input_tokens_details.cached_tokens)} of them shared; ${formatCount(batch.usage.output_tokens)} out`
          }
        />
        <Figure name="Cache kept" value={keptShare(batch)} detail="of all answers' caches" />
        <Figure
          name="Created"
          value={<span className="small">{formatTime(batch.created_at)}</span>}
          detail={batch.expires_at === undefined ? undefined : `expires ${formatTime(batch.expires_at)}`}
        />
      </Figures>
      {batch.errors === undefined ? null : (
        <Notice kind="error">
          {batch.errors.data.map(({ message, line }, i) => (
            <p key={i}>
              {line === null ? '' : `Line ${line}: `}
              {message}
            </p>
          ))}
        </Notice>
      )}
      <div className="actions">
        {['validating', 'in_progress'].includes(batch.status) ? (
          <button
            type="button"
            className="danger"
            disabled={cancel.isPending}
            onClick={() => {
              cancel.mutate();
            }}
          >
            Cancel the batch
          </button>
        ) : null}
        {hasEnded(batch) && failed > 0 ? (
          <button
            type="button"
            disabled={retry.isPending || retry.isSuccess}
            onClick={() => {
              retry.mutate();
            }}
          >
            Retry {formatCount(failed)} failed lines
          </button>
        ) : null}
        {hasEnded(batch) ? (
          <>
            <a className="button" href={`${results}?format=jsonl`} download>
              Download JSONL
            </a>
            <a className="button" href={`${results}?format=csv`} download>
              Download CSV
            </a>
          </>
        ) : (
          <small>Results can be downloaded once it has ended.</small>
        )}
      </div>
      <ErrorNotice error={cancel.error ?? retry.error} />
    </>
  );
}

function Errors({ batch, onChoose }: { readonly batch: BatchObject; readonly onChoose: (code: string) => void }) {
  const groups = useQuery({
    queryKey: ['batch-errors', batch.id, batch.status],
    queryFn: ({ signal }) =>
      getJson<{ readonly data: readonly ErrorGroup[] }>(`/v1/batches/${encodeURIComponent(batch.id)}/errors`, signal),
    refetchInterval: hasEnded(batch) ? false : REFRESH_MS,
  });
  if (groups.data === undefined) return <ErrorNotice error={groups.error} />;
  if (groups.data.data.length === 0) return <Notice kind="empty">No line has failed.</Notice>;
  return (
    <div className="cards errors">
      {groups.data.data.map(({ code, count, message, advice, retryable }) => (
        <article key={code} className="card">
          <h3>
            <code>{code}</code> <span className="badge bad">{formatCount(count)}</span>
          </h3>
          <p>{message}</p>
          <p className="advice">
            <b>What to do:</b> {advice} {retryable ? 'A retry may succeed.' : 'A retry as it is will fail again.'}
          </p>
          <button
            type="button"
            onClick={() => {
              onChoose(code);
            }}
          >
            Show its lines
          </button>
        </article>
      ))}
    </div>
  );
}
