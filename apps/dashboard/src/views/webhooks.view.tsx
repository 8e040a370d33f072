import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { getJson, postJson } from '../api/http.js';
import type { Webhook, WebhookEventType, WebhookWithSecret } from '../api/types.js';
import { CopyButton } from '../ui/copy.button.js';
import { ErrorNotice, Notice } from '../ui/notice.js';
import { PageTitle } from '../ui/page.title.js';
import { WebhookCard } from './webhook.card.js';

const EVENTS: readonly WebhookEventType[] = ['batch.completed', 'batch.failed', 'batch.cancelled', 'batch.expired'];
const REFRESH_MS = 5_000;

export const WEBHOOKS = { queryKey: ['webhooks'] } as const;

/** Who is told when a batch ends, and whether it was. */
export function WebhooksView() {
  const [secrets, setSecrets] = useState<readonly WebhookWithSecret[]>([]);
  const webhooks = useQuery({
    ...WEBHOOKS,
    queryFn: ({ signal }) => getJson<{ readonly data: readonly Webhook[] }>('/v1/webhooks', signal),
    refetchInterval: REFRESH_MS,
  });
  const all = webhooks.data?.data ?? [];
  const forget = (id: string): void => {
    setSecrets((held) => held.filter((other) => other.id !== id));
  };
  // One that is made anew takes the place of its own, of no other's.
  const hold = (secret: WebhookWithSecret): void => {
    setSecrets((held) => [...held.filter(({ id }) => id !== secret.id), secret]);
  };
  return (
    <>
      <PageTitle name="Webhooks" />
      <p className="facts">A webhook is a URL of yours that is told when a batch ends, with a signed request.</p>
      <ErrorNotice error={webhooks.error} />
      {webhooks.isPending ? <p className="waiting">Loading…</p> : null}
      {secrets.map((secret) => (
        <NewSecret
          key={secret.id}
          webhook={secret}
          onNoted={() => {
            forget(secret.id);
          }}
        />
      ))}
      {webhooks.isSuccess && all.length === 0 ? (
        <Notice kind="empty">
          There is no webhook yet. Add one below, or with <code>madakv webhooks add https://…</code>; without one a
          batch is asked for until it has ended.
        </Notice>
      ) : null}
      {all.map((webhook) => (
        <WebhookCard
          key={webhook.id}
          webhook={webhook}
          onSecret={hold}
          onRemoved={() => {
            forget(webhook.id);
          }}
        />
      ))}
      <AddWebhook onAdded={hold} />
    </>
  );
}

function NewSecret({ webhook, onNoted }: { readonly webhook: WebhookWithSecret; readonly onNoted: () => void }) {
  return (
    <div className="notice info" role="status">
      <p>
        The secret that signs what is sent to <b>{webhook.url}</b>. It is shown this once: keep it where your receiver
        finds it.
      </p>
      <p>
        <code className="secret">{webhook.secret}</code>
      </p>
      <CopyButton text={webhook.secret} what="secret" />
      <button type="button" onClick={onNoted}>
        I have it
      </button>
    </div>
  );
}

function AddWebhook({ onAdded }: { readonly onAdded: (webhook: WebhookWithSecret) => void }) {
  const queries = useQueryClient();
  const [url, setUrl] = useState('');
  const [description, setDescription] = useState('');
  const [events, setEvents] = useState<ReadonlySet<WebhookEventType>>(new Set(EVENTS));
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const add = async (): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      const described = description.trim() === '' ? {} : { description: description.trim() };
      onAdded(
        await postJson<WebhookWithSecret>('/v1/webhooks', { url: url.trim(), events: [...events], ...described }),
      );
      setUrl('');
      setDescription('');
      await queries.invalidateQueries(WEBHOOKS);
    } catch (refused) {
      setError(refused);
    } finally {
      setBusy(false);
    }
  };
  return (
    <form
      className="card add-webhook"
      onSubmit={(event) => {
        event.preventDefault();
        void add();
      }}
    >
      <h2>Add a webhook</h2>
      <label>
        URL
        <input
          type="url"
          required
          value={url}
          placeholder="https://example.com/madakv"
          onChange={({ target }) => {
            setUrl(target.value);
          }}
        />
      </label>
      <label>
        Description
        <input
          value={description}
          maxLength={256}
          placeholder="optional"
          onChange={({ target }) => {
            setDescription(target.value);
          }}
        />
      </label>
      <fieldset>
        <legend>Events</legend>
        {EVENTS.map((type) => (
          <label key={type}>
            <input
              type="checkbox"
              checked={events.has(type)}
              onChange={({ target }) => {
                const chosen = new Set(events);
                if (target.checked) chosen.add(type);
                else chosen.delete(type);
                setEvents(chosen);
              }}
            />
            <code>{type}</code>
          </label>
        ))}
      </fieldset>
      <ErrorNotice error={error} />
      <button type="submit" className="primary" disabled={busy || events.size === 0}>
        {busy ? 'Adding…' : 'Add'}
      </button>
    </form>
  );
}
