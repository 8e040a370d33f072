import * as Tabs from '@radix-ui/react-tabs';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'wouter';
import { getJson } from '../api/http.js';
import type { TraceView } from '../api/types.js';
import { Lanes } from '../charts/lanes.js';
import { LayerBars } from '../charts/layer.bars.js';
import { MatrixMap } from '../charts/matrix.map.js';
import { ALL, KeptPages, type Choice } from '../kept/kept.pages.js';
import { formatMs } from '../numbers.js';
import { CopyButton } from '../ui/copy.button.js';
import { ErrorNotice, Notice } from '../ui/notice.js';
import { PageTitle } from '../ui/page.title.js';
import { StatusBadge } from '../ui/status.badge.js';
import { ChoiceOfHeads } from './choice.of.heads.js';
import { RequestHeader } from './request.header.js';
import { LeaseHistory, MemoryChart } from './request.memory.js';
import { timesOf } from './request.times.js';

export function traceQuery(id: string) {
  return {
    queryKey: ['trace', id],
    queryFn: ({ signal }: { readonly signal: AbortSignal }) =>
      getJson<TraceView>(`/v1/requests/${encodeURIComponent(id)}/view`, signal),
    staleTime: Infinity,
  };
}

/** What became of one request and its cache. */
export function RequestView({ id }: { readonly id: string }) {
  const view = useQuery(traceQuery(id));
  return (
    <>
      <PageTitle name={id}>
        {view.data === undefined ? null : (
          <StatusBadge status={view.data.trace.error === null ? 'completed' : 'failed'} />
        )}
        <Link className="button" href={`/compare?a=${encodeURIComponent(id)}`}>
          Compare with another
        </Link>
        <CopyButton text={location.href} what="address" />
      </PageTitle>
      <ErrorNotice error={view.error} />
      {view.isPending ? <p className="waiting">Loading…</p> : null}
      {view.data === undefined ? null : <Trace view={view.data} />}
    </>
  );
}

function Trace({ view }: { readonly view: TraceView }) {
  const { trace } = view;
  const [choice, setChoice] = useState<Choice>(ALL);
  return (
    <>
      <RequestHeader trace={trace} />
      <Tabs.Root defaultValue={trace.error === null ? 'kept' : 'times'}>
        <Tabs.List aria-label="What of the request is shown">
          {trace.error === null ? <Tabs.Trigger value="kept">What was kept</Tabs.Trigger> : null}
          {trace.error === null ? <Tabs.Trigger value="layers">Layers and heads</Tabs.Trigger> : null}
          <Tabs.Trigger value="times">Times</Tabs.Trigger>
          <Tabs.Trigger value="memory">Memory</Tabs.Trigger>
          <Tabs.Trigger value="json">JSON</Tabs.Trigger>
        </Tabs.List>
        {trace.error !== null ? null : (
          <>
            <Tabs.Content value="kept">
              <ChoiceOfHeads layers={trace.cache.layers} choice={choice} onChoose={setChoice} />
              <KeptPages view={view} choice={choice} />
            </Tabs.Content>
            <Tabs.Content value="layers">
              <Layers view={view} choice={choice} onChoose={setChoice} />
            </Tabs.Content>
          </>
        )}
        <Tabs.Content value="times">
          <Times trace={trace} />
        </Tabs.Content>
        <Tabs.Content value="memory">
          <MemoryChart trace={trace} />
          <LeaseHistory trace={trace} />
        </Tabs.Content>
        <Tabs.Content value="json">
          <p>
            <a href={`/v1/requests/${encodeURIComponent(trace.id)}/trace`}>The whole trace document</a>, with the kept
            positions of every head; here it stands without them.
          </p>
          <pre className="json" tabIndex={0}>
            {JSON.stringify(trace, null, 2)}
          </pre>
        </Tabs.Content>
      </Tabs.Root>
    </>
  );
}

function Times({ trace }: { readonly trace: TraceView['trace'] }) {
  const { lanes, restMs } = timesOf(trace);
  const totalMs = trace.ms.total ?? 0;
  return (
    <>
      <Lanes lanes={lanes} totalMs={totalMs} />
      {restMs < 0.02 * totalMs ? null : (
        <p className="facts">{formatMs(restMs)} more went by between these steps, while the worker served others.</p>
      )}
    </>
  );
}

interface LayersProps {
  readonly view: TraceView;
  readonly choice: Choice;
  readonly onChoose: (choice: Choice) => void;
}

function Layers({ view: { trace }, choice, onChoose }: LayersProps) {
  if (trace.error !== null) return null;
  const { layers, modalities, promptTokens } = trace.cache;
  if (layers.length === 0) return <Notice kind="empty">This policy keeps all and says nothing of layers.</Notice>;
  const numbers = layers.map(({ layer }) => layer);
  const choose = (layer: number, head: number): void => {
    onChoose({ layer, head });
  };
  const kept = layers.map(({ kept: heads }) =>
    heads.map((counts) => counts.reduce((sum, count) => sum + count, 0) / Math.max(1, total(promptTokens))),
  );
  const attention = layers.every(({ attentionKept }) => attentionKept !== undefined)
    ? layers.map(({ attentionKept = [] }) => attentionKept)
    : [];
  return (
    <>
      <LayerBars layers={layers} />
      <p>
        <small>
          A cell chooses its layer and head for the pages.{' '}
          {attention.length === 0
            ? 'Attention on kept rows is not known: its policy observes all queries or none, or the trace is of an earlier version.'
            : 'Attention on kept rows: of what the question attends to, the share that eviction left.'}
        </small>
      </p>
      <div className="maps">
        <MatrixMap title="Rows kept" values={kept} layers={numbers} chosen={choice} onChoose={choose} />
        {attention.length === 0 ? null : (
          <MatrixMap
            title="Attention on kept rows"
            values={attention}
            layers={numbers}
            chosen={choice}
            onChoose={choose}
          />
        )}
        {modalities.map((modality, m) => (
          <MatrixMap
            key={`kept ${modality}`}
            title={`Kept of ${modality}`}
            values={layers.map(({ kept: heads }) => heads.map((counts) => counts[m] / Math.max(1, promptTokens[m])))}
            layers={numbers}
            chosen={choice}
            onChoose={choose}
          />
        ))}
        {modalities.map((modality, m) => (
          <MatrixMap
            key={`preference ${modality}`}
            title={`Preference for ${modality}`}
            values={layers.map(({ preference }) => preference.map((shares) => shares[m]))}
            layers={numbers}
            chosen={choice}
            onChoose={choose}
          />
        ))}
      </div>
    </>
  );
}

function total(counts: readonly number[]): number {
  return counts.reduce((sum, count) => sum + count, 0);
}
