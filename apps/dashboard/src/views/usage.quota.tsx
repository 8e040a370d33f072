import type { UsageReport } from '../api/types.js';
import { formatCount, formatTime } from '../numbers.js';
import { ShareBar } from '../ui/figures.js';

type Quota = NonNullable<UsageReport['quota']>;

/** What may still be used, now. */
export function UsageQuotas({ quota: { tokens_per_day: day, queued_tokens: queued } }: { readonly quota: Quota }) {
  const taken = day.used + day.reserved;
  return (
    <section aria-labelledby="quotas">
      <h2 id="quotas">Limits</h2>
      <div className="cards">
        <article className="card">
          <h3>Tokens today (UTC)</h3>
          <QuotaBar taken={taken} limit={day.limit} label="tokens of today that are used or reserved" />
          <ul className="plain">
            <li>
              <b>{formatCount(day.used)}</b> used, <b>{formatCount(day.reserved)}</b> reserved for what has not ended
            </li>
            <li>
              {day.limit === null || day.remaining === null
                ? 'no limit'
                : `${formatCount(day.remaining)} of ${formatCount(day.limit)} left, until ${formatTime(day.resets_at)}`}
            </li>
          </ul>
        </article>
        <article className="card">
          <h3>Queued tokens</h3>
          <QuotaBar taken={queued.reserved} limit={queued.limit} label="queued tokens" />
          <ul className="plain">
            <li>
              <b>{formatCount(queued.reserved)}</b> reserved for all requests that have not ended
            </li>
            <li>
              {queued.limit === null || queued.remaining === null
                ? 'no limit'
                : `${formatCount(queued.remaining)} of ${formatCount(queued.limit)} left`}
            </li>
          </ul>
        </article>
      </div>
    </section>
  );
}

interface QuotaBarProps {
  readonly taken: number;
  readonly limit: number | null;
  readonly label: string;
}

function QuotaBar({ taken, limit, label }: QuotaBarProps) {
  if (limit === null) return null;
  const share = limit === 0 ? 1 : taken / limit;
  return <ShareBar share={share} label={label} tone={share >= 0.9 ? 'large kept' : 'large'} />;
}
