import { useQuery } from '@tanstack/react-query';
import { Link } from 'wouter';
import { getJson } from '../api/http.js';
import type { BatchLineDetail } from '../api/types.js';
import { ErrorNotice, Notice } from '../ui/notice.js';
import { StatusBadge } from '../ui/status.badge.js';

interface BatchLinePanelProps {
  readonly batchId: string;
  readonly line: number;
  readonly onClose: () => void;
}

/** One line: its answer or error, and the way to what became of its cache. */
export function BatchLinePanel({ batchId, line, onClose }: BatchLinePanelProps) {
  const detail = useQuery({
    queryKey: ['line', batchId, line],
    queryFn: ({ signal }) =>
      getJson<BatchLineDetail>(`/v1/batches/${encodeURIComponent(batchId)}/lines/${line}`, signal),
    refetchInterval: ({ state }) => (state.data?.status === 'waiting' ? 2_000 : false),
  });
  const { data } = detail;
  return (
    <aside className="panel" aria-label={`Line ${line}`}>
      <div className="title">
        <h3>
          Line {line} {data === undefined ? null : <StatusBadge status={data.status} />}
        </h3>
        <button type="button" className="quiet" onClick={onClose}>
          Close
        </button>
      </div>
      <ErrorNotice error={detail.error} />
      {data === undefined ? null : (
        <>
          <p>
            <code>{data.custom_id ?? 'no custom_id'}</code>
          </p>
          <Result detail={data} />
          {data.status === 'waiting' ? null : (
            <p>
              <Link href={`/requests/${data.request_id}`}>What became of its cache</Link>
            </p>
          )}
          {data.result === null ? null : (
            <details>
              <summary>JSON</summary>
              <pre tabIndex={0}>{JSON.stringify(data.result, null, 2)}</pre>
            </details>
          )}
        </>
      )}
    </aside>
  );
}

function Result({ detail: { result, status, error_code } }: { readonly detail: BatchLineDetail }) {
  if (status === 'waiting') return <Notice kind="empty">Not answered yet.</Notice>;
  if (status === 'unknown') {
    return <Notice kind="empty">The batch has ended, and no file of it tells of this line (any more).</Notice>;
  }
  const answer = answerOf(result);
  if (answer !== undefined) return <blockquote>{answer}</blockquote>;
  return <Notice kind="error">{messageOf(result) ?? error_code ?? 'It failed.'}</Notice>;
}

/** The text of an answer in a result of a batch's line. */
export function answerOf(result: BatchLineDetail['result']): string | undefined {
  const { choices } = (result?.response?.body ?? {}) as { choices?: { message?: { content?: unknown } }[] };
  const content = choices?.[0]?.message?.content;
  return typeof content === 'string' ? content : undefined;
}

function messageOf(result: BatchLineDetail['result']): string | undefined {
  if (result?.error != null) return result.error.message;
  const { error } = (result?.response?.body ?? {}) as { error?: { message?: string } };
  return error?.message;
}
