import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { Link, useLocation } from 'wouter';
import { getJson } from '../api/http.js';
import type { RecentRequest } from '../api/types.js';
import { formatAgo, formatMs, formatShare } from '../numbers.js';
import { ErrorNotice, Notice } from '../ui/notice.js';
import { PageTitle } from '../ui/page.title.js';
import { StatusBadge } from '../ui/status.badge.js';

/** The requests that ended last, and the way to any other by its id. */
export function RequestsView() {
  const [id, setId] = useState('');
  const [, go] = useLocation();
  const recent = useQuery({
    queryKey: ['requests'],
    queryFn: ({ signal }) => getJson<{ readonly data: readonly RecentRequest[] }>('/v1/requests?limit=200', signal),
    refetchInterval: 3_000,
  });
  const requests = recent.data?.data ?? [];
  return (
    <>
      <PageTitle name="Requests" />
      <form
        className="options"
        onSubmit={(event) => {
          event.preventDefault();
          if (id.trim() !== '') go(`/requests/${encodeURIComponent(id.trim())}`);
        }}
      >
        <label>
          Open by id{' '}
          <input
            value={id}
            placeholder="chatcmpl-… or batch_…_7"
            size={36}
            onChange={({ target }) => {
              setId(target.value);
            }}
          />
        </label>
        <button type="submit">Open</button>
      </form>
      <ErrorNotice error={recent.error} />
      {recent.isSuccess && requests.length === 0 ? (
        <Notice kind="empty">
          No request ended within the last 24 hours. <Link href="/try">Ask about a document</Link>.
        </Notice>
      ) : null}
      {requests.length === 0 ? null : (
        <div className="scroll" tabIndex={0} role="region" aria-label="Requests that ended last">
          <table className="wide">
            <thead>
              <tr>
                <th scope="col">Request</th>
                <th scope="col">Status</th>
                <th scope="col">Model</th>
                <th scope="col">Took</th>
                <th scope="col">Cache kept</th>
                <th scope="col">Ended</th>
              </tr>
            </thead>
            <tbody>
              {requests.map((request) => (
                <tr key={request.id}>
                  <th scope="row">
                    <Link href={`/requests/${request.id}`}>{request.id}</Link>
                    {request.custom_id === null ? null : <small> {request.custom_id}</small>}
                  </th>
                  <td>
                    <StatusBadge status={request.status} />{' '}
                    {request.error_code === null ? null : <code>{request.error_code}</code>}
                  </td>
                  <td>{request.model}</td>
                  <td className="number">{formatMs(request.total_ms)}</td>
                  <td className="number">{request.kept_ratio === null ? '–' : formatShare(request.kept_ratio)}</td>
                  <td className="nowrap">{formatAgo(request.ended_at_ms)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}
