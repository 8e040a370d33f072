import { useQuery } from '@tanstack/react-query';
import { getJson } from '../api/http.js';
import type { ModelObject, Overview } from '../api/types.js';
import { formatAgo, formatBytes, formatCount } from '../numbers.js';
import { Figure, Figures } from '../ui/figures.js';
import { ErrorNotice, Notice } from '../ui/notice.js';
import { PageTitle } from '../ui/page.title.js';
import { StatusBadge } from '../ui/status.badge.js';

/** Prompts that are reckoned, in tokens, and shares of the cache. */
const PROMPTS = [4_096, 16_384, 32_768, 131_072];
const RATIOS = [1, 0.5, 0.2, 0.1];

/** What is served, where, and what fits. */
export function ModelsView({ operator }: { readonly operator: boolean }) {
  const models = useQuery({
    queryKey: ['models'],
    queryFn: ({ signal }) => getJson<{ readonly data: readonly ModelObject[] }>('/v1/models', signal),
    refetchInterval: 10_000,
  });
  const overview = useQuery({
    queryKey: ['overview'],
    queryFn: ({ signal }) => getJson<Overview>('/v1/overview', signal),
    enabled: operator,
    refetchInterval: 5_000,
  });
  return (
    <>
      <PageTitle name="Models" />
      <ErrorNotice error={models.error} />
      {models.data?.data.length === 0 ? (
        <Notice kind="empty">
          No worker has announced a model yet. <code>madakv up</code> starts one; a new model is built for some minutes.
        </Notice>
      ) : null}
      {models.data?.data.map((model) => (
        <Model key={model.id} model={model} overview={overview.data} />
      ))}
    </>
  );
}

function Model({ model, overview }: { readonly model: ModelObject; readonly overview: Overview | undefined }) {
  const { id, madakv } = model;
  const workers = overview?.workers.filter((worker) => worker.model === id) ?? [];
  const devices = overview?.devices.filter((device) => device.model === id) ?? [];
  const capacity = Math.max(0, ...devices.map(({ capacity_bytes }) => capacity_bytes));
  // Rows that are kept in another precision than they are written in take less than is announced of a token.
  const isAsKept = workers.every(({ kv_precision }) => kv_precision === null || kv_precision === madakv?.kv_precision);
  return (
    <section className="model" aria-labelledby={`model-${id}`}>
      <h2 id={`model-${id}`}>{id}</h2>
      {madakv === undefined ? null : (
        <>
          <Figures>
            <Figure name="Family" value={madakv.family} />
            <Figure name="Positions" value={formatCount(madakv.max_positions)} detail="tokens, prompt and answer" />
            <Figure
              name="Whole cache"
              value={formatBytes(madakv.kv_bytes_per_token)}
              detail={`a token, over all layers, in ${madakv.kv_precision}`}
            />
            <Figure name="Announced" value={formatAgo(madakv.seen_at_ms)} />
          </Figures>
          {workers.length === 0 ? null : (
            <ul className="plain">
              {workers.map((worker) => (
                <li key={worker.id}>
                  <StatusBadge status={worker.state} /> <b>{worker.id}</b> {worker.roles.join(', ')}
                  {worker.provider === null
                    ? ''
                    : `; ${worker.provider}, weights ${worker.precision}, cache ${worker.kv_precision}, device ${worker.device ?? 'not announced'}`}
                </li>
              ))}
            </ul>
          )}
          <Fit
            kvBytesPerToken={madakv.kv_bytes_per_token}
            precision={madakv.kv_precision}
            maxPositions={madakv.max_positions}
            capacity={capacity === 0 || !isAsKept ? undefined : capacity}
          />
        </>
      )}
    </section>
  );
}

interface FitProps {
  readonly kvBytesPerToken: number;
  readonly precision: string;
  readonly maxPositions: number;
  /** Of the largest device. */
  readonly capacity: number | undefined;
}

function Fit({ kvBytesPerToken, precision, maxPositions, capacity }: FitProps) {
  const prompts = [...new Set(PROMPTS.map((tokens) => Math.min(tokens, maxPositions)))];
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label="What fits">
      <table>
        <caption>
          Cache of a prompt once it is read, in {precision}
          {capacity === undefined ? '' : `, and how many such fit ${formatBytes(capacity)} together`}
        </caption>
        <thead>
          <tr>
            <th scope="col">Kept</th>
            {prompts.map((tokens) => (
              <th key={tokens} scope="col">
                {formatCount(tokens)} tokens
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {RATIOS.map((ratio) => (
            <tr key={ratio}>
              <th scope="row" className="nowrap">
                {100 * ratio} %
              </th>
              {prompts.map((tokens) => {
                const bytes = ratio * tokens * kvBytesPerToken;
                return (
                  <td key={tokens} className="number nowrap">
                    {formatBytes(bytes)}{' '}
                    {capacity === undefined ? null : <small>{formatCount(Math.floor(capacity / bytes))} fit</small>}
                  </td>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
