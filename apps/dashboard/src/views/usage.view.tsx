import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'wouter';
import { getJson, withQuery } from '../api/http.js';
import type { UsageReport } from '../api/types.js';
import { formatCount, formatShare } from '../numbers.js';
import { Figure, Figures } from '../ui/figures.js';
import { ErrorNotice, Notice } from '../ui/notice.js';
import { PageTitle } from '../ui/page.title.js';
import { UsageBars } from './usage.bars.js';
import { dateBefore, daysOf } from './usage.days.js';
import { UsageQuotas } from './usage.quota.js';
import { UsageTable } from './usage.table.js';

const SPANS = [
  [7, '7 days'],
  [30, '30 days'],
  [90, '90 days'],
] as const;
const REFRESH_MS = 10_000;
/** Of all tenants, which is a large report. */
const REFRESH_ALL_MS = 60_000;
/** What stands for all tenants. */
const ALL = '*';

/** What was used by day, and what may still be: of the tenant, or for an operator of all. */
export function UsageView({ operator }: { readonly operator: boolean }) {
  const [days, setDays] = useState<number>(30);
  const [models, setModels] = useState(false);
  const [tenant, setTenant] = useState<typeof ALL | undefined>(undefined);
  const by = [...(models ? ['model'] : []), ...(tenant === ALL ? ['tenant'] : [])];
  const query = { start: dateBefore(Date.now(), days - 1), group_by: by.join(','), tenant };
  const usage = useQuery({
    queryKey: ['usage', query],
    queryFn: ({ signal }) => getJson<UsageReport>(withQuery('/v1/usage', query), signal),
    refetchInterval: tenant === ALL ? REFRESH_ALL_MS : REFRESH_MS,
    placeholderData: (before) => before,
  });
  return (
    <>
      <PageTitle name="Usage">
        <Choice label="Time that is shown" options={SPANS} chosen={days} onChoose={setDays} />
        {operator ? (
          <Choice
            label="Whose it is"
            options={[
              [undefined, 'Mine'],
              [ALL, 'All tenants'],
            ]}
            chosen={tenant}
            onChoose={setTenant}
          />
        ) : null}
        <label>
          <input
            type="checkbox"
            checked={models}
            onChange={({ target }) => {
              setModels(target.checked);
            }}
          />{' '}
          by model
        </label>
      </PageTitle>
      <ErrorNotice error={usage.error} />
      {usage.isPending ? <p className="waiting">Loading…</p> : null}
      {usage.data === undefined ? null : (
        <Report report={usage.data} table={withQuery('/v1/usage', { ...query, format: 'csv' })} />
      )}
    </>
  );
}

function Report({ report, table }: { readonly report: UsageReport; readonly table: string }) {
  const { total, data, quota, start, end } = report;
  const { prompt_tokens: prompt, cached_tokens: cached, full_bytes: full } = total;
  return (
    <>
      {quota === null ? null : <UsageQuotas quota={quota} />}
      <section aria-labelledby="days">
        <h2 id="days">By day</h2>
        {data.length === 0 ? (
          <Notice kind="empty">
            No request ended from {start} to {end}. <Link href="/try">Ask about a document</Link>, and it is counted
            here.
          </Notice>
        ) : (
          <>
            <Figures>
              <Figure
                name="Requests"
                value={formatCount(total.requests)}
                detail={`${formatCount(total.errors)} errors`}
              />
              <Figure
                name="Prompt tokens"
                value={formatCount(prompt)}
                detail={prompt === 0 ? undefined : `${formatShare(cached / prompt)} of them cached`}
              />
              <Figure name="Answer tokens" value={formatCount(total.completion_tokens)} />
              <Figure
                name="Cache kept"
                value={full === 0 ? '–' : formatShare(total.kept_bytes / full)}
                detail="of the whole, over all answers"
              />
            </Figures>
            <UsageBars days={daysOf(report)} />
            <div className="actions">
              <a className="button" href={table} download>
                Download CSV
              </a>
            </div>
            <UsageTable report={report} />
          </>
        )}
      </section>
    </>
  );
}

interface ChoiceProps<T> {
  readonly label: string;
  readonly options: readonly (readonly [T, string])[];
  readonly chosen: T;
  readonly onChoose: (value: T) => void;
}

function Choice<T>({ label, options, chosen, onChoose }: ChoiceProps<T>) {
  return (
    <div className="segments" role="group" aria-label={label}>
      {options.map(([value, name]) => (
        <button
          key={name}
          type="button"
          aria-pressed={value === chosen}
          onClick={() => {
            onChoose(value);
          }}
        >
          {name}
        </button>
      ))}
    </div>
  );
}
