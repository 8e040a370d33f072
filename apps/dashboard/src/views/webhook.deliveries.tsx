import { useInfiniteQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'wouter';
import { getJson, send, withQuery } from '../api/http.js';
import type { Webhook, WebhookDelivery } from '../api/types.js';
import { formatCount, formatMs, formatTime } from '../numbers.js';
import { ErrorNotice, Notice } from '../ui/notice.js';
import { StatusBadge } from '../ui/status.badge.js';

interface DeliveryPage {
  readonly data: readonly WebhookDelivery[];
  readonly has_more: boolean;
  readonly last_id: string | null;
}

/** While one is under way, and else. */
const PENDING_MS = 3_000;
const QUIET_MS = 30_000;

/** What was sent to a webhook, newest first, and what became of it. */
export function WebhookDeliveries({ webhook: { id, status } }: { readonly webhook: Webhook }) {
  const queries = useQueryClient();
  const [error, setError] = useState<unknown>(null);
  const key = ['deliveries', id];
  const path = `/v1/webhooks/${encodeURIComponent(id)}/deliveries`;
  const deliveries = useInfiniteQuery({
    queryKey: key,
    queryFn: ({ pageParam, signal }) => getJson<DeliveryPage>(withQuery(path, { limit: 10, after: pageParam }), signal),
    initialPageParam: null as string | null,
    getNextPageParam: ({ has_more, last_id }) => (has_more ? last_id : undefined),
    refetchInterval: ({ state }) =>
      state.data?.pages.some(({ data }) => data.some((delivery) => delivery.status === 'pending')) === true
        ? PENDING_MS
        : QUIET_MS,
  });
  const repeat = async (delivery: string): Promise<void> => {
    setError(null);
    try {
      await send(`${path}/${encodeURIComponent(delivery)}/repeat`, { method: 'POST' });
    } catch (refused) {
      setError(refused);
    }
    await queries.invalidateQueries({ queryKey: key });
  };
  const all = deliveries.data?.pages.flatMap(({ data }) => data) ?? [];
  return (
    <>
      <h3>Deliveries</h3>
      <ErrorNotice error={deliveries.error ?? error} />
      {deliveries.isSuccess && all.length === 0 ? (
        <Notice kind="empty">Nothing was sent yet: the next batch that ends is.</Notice>
      ) : null}
      {all.length === 0 ? null : (
        <div className="scroll" tabIndex={0} role="region" aria-label="Deliveries">
          <table className="wide">
            <thead>
              <tr>
                <th scope="col">Event</th>
                <th scope="col">Batch</th>
                <th scope="col">Status</th>
                <th scope="col">Attempts</th>
                <th scope="col">Last answer</th>
                <th scope="col">Created</th>
                <th scope="col">
                  <span className="hidden">Repeat</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {all.map((delivery) => (
                <Delivery
                  key={delivery.id}
                  delivery={delivery}
                  enabled={status === 'enabled'}
                  onRepeat={() => void repeat(delivery.id)}
                />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {deliveries.hasNextPage ? (
        <button type="button" onClick={() => void deliveries.fetchNextPage()} disabled={deliveries.isFetchingNextPage}>
          Show older deliveries
        </button>
      ) : null}
    </>
  );
}

interface DeliveryProps {
  readonly delivery: WebhookDelivery;
  readonly enabled: boolean;
  readonly onRepeat: () => void;
}

function Delivery({ delivery, enabled, onRepeat }: DeliveryProps) {
  const { event, status, attempt_count, next_attempt_at, created_at } = delivery;
  return (
    <tr>
      <th scope="row">
        <code>{event.type}</code>
      </th>
      <td>
        <Link href={`/batches/${event.data.id}`}>{event.data.id}</Link>
      </td>
      <td>
        <StatusBadge status={status} />
      </td>
      <td className="number">{formatCount(attempt_count)}</td>
      <td>
        {answerText(delivery)}
        {status === 'pending' && next_attempt_at !== null && attempt_count > 0 ? (
          <small> again at {formatTime(next_attempt_at)}</small>
        ) : null}
      </td>
      <td className="nowrap">{formatTime(created_at)}</td>
      <td>
        <button
          type="button"
          onClick={onRepeat}
          disabled={!enabled}
          title={enabled ? undefined : 'Enable the webhook first'}
          aria-label={`${status === 'pending' ? 'Try now' : 'Repeat'}: ${event.type} of ${event.data.id}`}
        >
          {status === 'pending' ? 'Try now' : 'Repeat'}
        </button>
      </td>
    </tr>
  );
}

/** What the receiver said to the last attempt. */
function answerText({ attempts }: WebhookDelivery): string {
  const last = attempts.at(-1);
  if (last === undefined) return 'not sent yet';
  const took = formatMs(last.ms);
  if (last.status_code === null) return `${last.error ?? 'no answer'} after ${took}`;
  return `${last.status_code} after ${took}${last.error === null ? '' : `: ${last.error}`}`;
}
