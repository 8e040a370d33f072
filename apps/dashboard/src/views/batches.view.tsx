import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from 'wouter';
import { getJson, withQuery } from '../api/http.js';
import type { BatchObject } from '../api/types.js';
import { formatCount, formatTime } from '../numbers.js';
import { ShareBar } from '../ui/figures.js';
import { ErrorNotice, Notice } from '../ui/notice.js';
import { PageTitle } from '../ui/page.title.js';
import { StatusBadge } from '../ui/status.badge.js';
import { keptShare, progressOf } from './batch.progress.js';

interface BatchPage {
  readonly data: readonly BatchObject[];
  readonly has_more: boolean;
  readonly last_id: string | null;
}

const REFRESH_MS = 3_000;

/** All batches of the tenant, newest first. */
export function BatchesView() {
  const batches = useInfiniteQuery({
    queryKey: ['batches'],
    queryFn: ({ pageParam, signal }) =>
      getJson<BatchPage>(withQuery('/v1/batches', { limit: 50, after: pageParam }), signal),
    initialPageParam: null as string | null,
    getNextPageParam: ({ has_more, last_id }) => (has_more ? last_id : undefined),
    refetchInterval: REFRESH_MS,
  });
  const all = batches.data?.pages.flatMap(({ data }) => data) ?? [];
  return (
    <>
      <PageTitle name="Batches" />
      <ErrorNotice error={batches.error} />
      {batches.isPending ? <p className="waiting">Loading…</p> : null}
      {batches.isSuccess && all.length === 0 ? (
        <Notice kind="empty">
          There is no batch yet. Send one with <code>madakv batch run documents/ --questions questions.csv</code>, or
          with the official OpenAI clients: upload a file with purpose <code>batch</code>, then create the batch.
        </Notice>
      ) : null}
      {all.length === 0 ? null : (
        <div className="scroll" tabIndex={0} role="region" aria-label="Batches">
          <table className="wide">
            <thead>
              <tr>
                <th scope="col">Batch</th>
                <th scope="col">Status</th>
                <th scope="col">Progress</th>
                <th scope="col">Failed</th>
                <th scope="col">Left</th>
                <th scope="col">Lines a minute</th>
                <th scope="col">Tokens in / out</th>
                <th scope="col">Cache kept</th>
                <th scope="col">Created</th>
              </tr>
            </thead>
            <tbody>
              {all.map((batch) => (
                <BatchRow key={batch.id} batch={batch} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {batches.hasNextPage ? (
        <button type="button" onClick={() => void batches.fetchNextPage()} disabled={batches.isFetchingNextPage}>
          Show older batches
        </button>
      ) : null}
    </>
  );
}

function BatchRow({ batch }: { readonly batch: BatchObject }) {
  const { total, failed } = batch.request_counts;
  const { ended, share, left, rate } = progressOf(batch);
  return (
    <tr>
      <th scope="row">
        <Link href={`/batches/${batch.id}`}>{batch.id}</Link>
        {batch.metadata?.['retry_of'] === undefined ? null : <small> retry of {batch.metadata['retry_of']}</small>}
      </th>
      <td>
        <StatusBadge status={batch.status} />
      </td>
      <td>
        <ShareBar share={share} label="lines that have ended" />
        <small>
          {formatCount(ended)} of {formatCount(total)}
        </small>
      </td>
      <td className="number">{formatCount(failed)}</td>
      <td className="number">{left}</td>
      <td className="number">{rate}</td>
      <td className="number">
        {batch.usage === undefined
          ? '–'
          : `${formatCount(batch.usage.input_tokens)} / ${formatCount(batch.usage.output_tokens)}`}
      </td>
      <td className="number">{keptShare(batch)}</td>
      <td className="nowrap">{formatTime(batch.created_at)}</td>
    </tr>
  );
}
