import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { postJson, send } from '../api/http.js';
import type { Webhook, WebhookWithSecret } from '../api/types.js';
import { formatTime } from '../numbers.js';
import { ErrorNotice, Notice } from '../ui/notice.js';
import { StatusBadge } from '../ui/status.badge.js';
import { WebhookDeliveries } from './webhook.deliveries.js';

interface WebhookCardProps {
  readonly webhook: Webhook;
  /** It has a new secret, which is shown once. */
  readonly onSecret: (webhook: WebhookWithSecret) => void;
  readonly onRemoved: () => void;
}

type Asked = 'rotate' | 'remove';

/** One webhook: what it is told of, what can be done with it, and what became of what was sent to it. */
export function WebhookCard({ webhook, onSecret, onRemoved }: WebhookCardProps) {
  const { id, url, description, events, status } = webhook;
  const queries = useQueryClient();
  const [asked, setAsked] = useState<Asked>();
  const [error, setError] = useState<unknown>(null);
  const path = `/v1/webhooks/${encodeURIComponent(id)}`;
  const act = async (work: () => Promise<unknown>): Promise<void> => {
    setAsked(undefined);
    setError(null);
    try {
      await work();
    } catch (refused) {
      setError(refused);
    }
    await queries.invalidateQueries({ queryKey: ['webhooks'] });
  };
  const rotate = (): Promise<void> =>
    act(async () => {
      onSecret(await postJson<WebhookWithSecret>(`${path}/rotate`, {}));
    });
  const remove = (): Promise<void> =>
    act(async () => {
      await send(path, { method: 'DELETE' });
      onRemoved();
    });
  const enable = (enabled: boolean): Promise<void> => act(() => postJson(path, { enabled }));
  return (
    <section className="card webhook" aria-labelledby={`webhook-${id}`}>
      <div className="title">
        <h2 id={`webhook-${id}`}>{url}</h2>
        <StatusBadge status={status} />
      </div>
      <p className="facts">
        {description === null ? '' : `${description}. `}
        <code>{id}</code>, {events.length === 1 ? 'told of' : 'told of any of'}{' '}
        {events.map((type) => type.replace('batch.', '')).join(', ')}; since {formatTime(webhook.created_at)}
      </p>
      <Troubles webhook={webhook} />
      <ErrorNotice error={error} />
      {asked === undefined ? (
        <div className="options">
          <button
            type="button"
            onClick={() => {
              setAsked('rotate');
            }}
          >
            New secret
          </button>
          <button type="button" onClick={() => void enable(status === 'disabled')}>
            {status === 'disabled' ? 'Enable' : 'Disable'}
          </button>
          <button
            type="button"
            onClick={() => {
              setAsked('remove');
            }}
          >
            Remove
          </button>
        </div>
      ) : (
        <Sure
          asked={asked}
          onYes={() => void (asked === 'rotate' ? rotate() : remove())}
          onNo={() => {
            setAsked(undefined);
          }}
        />
      )}
      <WebhookDeliveries webhook={webhook} />
    </section>
  );
}

function Troubles({ webhook }: { readonly webhook: Webhook }) {
  const { disabled_at, disabled_reason, failing_since, secret_before_expires_at } = webhook;
  return (
    <>
      {disabled_at === null ? null : (
        <Notice kind="info">
          Disabled since {formatTime(disabled_at)}: {disabled_reason}.
        </Notice>
      )}
      {failing_since === null || disabled_at !== null ? null : (
        <Notice kind="error">Nothing could be delivered since {formatTime(failing_since)}.</Notice>
      )}
      {secret_before_expires_at === null ? null : (
        <Notice kind="info">
          The secret before signs beside the new one until {formatTime(secret_before_expires_at)}.
        </Notice>
      )}
    </>
  );
}

function Sure({
  asked,
  onYes,
  onNo,
}: {
  readonly asked: Asked;
  readonly onYes: () => void;
  readonly onNo: () => void;
}) {
  const [question, yes] =
    asked === 'rotate'
      ? ['The secret before goes on to sign beside the new one for a day.', 'Make a new secret']
      : ['Its deliveries go with it, and what is under way ends.', 'Remove it'];
  return (
    <div className="options" role="group" aria-label={question}>
      <span>{question}</span>
      <button type="button" className="primary" onClick={onYes}>
        {yes}
      </button>
      <button type="button" onClick={onNo}>
        Leave it
      </button>
    </div>
  );
}
