import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { Link, useLocation, useSearch } from 'wouter';
import { getJson, withQuery } from '../api/http.js';
import type { BatchLineDetail, Comparison, TraceView } from '../api/types.js';
import { ALL, KeptPages, type Choice } from '../kept/kept.pages.js';
import { formatBytes, formatCount, formatMs, formatShare } from '../numbers.js';
import { firstDifference } from '../try/question.js';
import { knownAnswers } from '../try/known.answers.js';
import { ShareBar } from '../ui/figures.js';
import { ErrorNotice, Notice } from '../ui/notice.js';
import { PageTitle } from '../ui/page.title.js';
import { answerOf } from './batch.line.panel.js';
import { ChoiceOfHeads } from './choice.of.heads.js';
import { traceQuery } from './request.view.js';

/** Two requests side by side: the whole cache against a part of it, one policy against another. */
export function CompareView() {
  const query = new URLSearchParams(useSearch());
  const [a, b] = [query.get('a') ?? '', query.get('b') ?? ''];
  return (
    <>
      <PageTitle name="Compare" />
      <ChooseTwo key={`${a} ${b}`} a={a} b={b} />
      {a === '' || b === '' ? (
        <Notice kind="empty">
          Name two requests about the same prompt, one with the whole cache and one with a part of it for instance.{' '}
          <Link href="/try">Try it</Link> makes such two at once; <Link href="/requests">Requests</Link> lists the last
          ones.
        </Notice>
      ) : (
        <Both a={a} b={b} />
      )}
    </>
  );
}

function ChooseTwo({ a, b }: { readonly a: string; readonly b: string }) {
  const [ids, setIds] = useState({ a, b });
  const [, go] = useLocation();
  return (
    <form
      className="options"
      onSubmit={(event) => {
        event.preventDefault();
        go(withQuery('/compare', { a: ids.a.trim(), b: ids.b.trim() }));
      }}
    >
      {(['a', 'b'] as const).map((side) => (
        <label key={side}>
          {side === 'a' ? 'One' : 'The other'}{' '}
          <input
            value={ids[side]}
            size={34}
            required
            placeholder="id of a request"
            onChange={({ target }) => {
              setIds({ ...ids, [side]: target.value });
            }}
          />
        </label>
      ))}
      <button type="submit">Compare</button>
    </form>
  );
}

function Both({ a, b }: { readonly a: string; readonly b: string }) {
  const comparison = useQuery({
    queryKey: ['compare', a, b],
    queryFn: ({ signal }) => getJson<Comparison>(withQuery('/v1/requests/compare', { a, b }), signal),
    staleTime: Infinity,
  });
  const views = [useQuery(traceQuery(a)), useQuery(traceQuery(b))];
  const answers = [useAnswer(views[0].data), useAnswer(views[1].data)];
  const [choice, setChoice] = useState<Choice>(ALL);
  const known = answers[0] !== undefined && answers[1] !== undefined;
  const difference = known ? firstDifference(answers[0] ?? '', answers[1] ?? '') : undefined;
  const layers = views[0].data?.trace.cache?.layers ?? [];
  if (comparison.data === undefined) return <ErrorNotice error={comparison.error} />;
  const { rows, comparable } = comparison.data;
  return (
    <>
      <div className="runs two">
        {([comparison.data.a, comparison.data.b] as const).map((side, i) => (
          <article key={i} className="card">
            <h2>
              <Link href={`/requests/${side.id}`}>{side.id}</Link>
            </h2>
            <p className="facts">
              {side.policy}, {formatShare(side.ratio)} of the cache; {formatCount(side.prompt_tokens)} tokens,{' '}
              {formatMs(side.total_ms)}
            </p>
            <p className="facts">
              {formatBytes(side.bytes.kept)} kept of {formatBytes(side.bytes.full)}
            </p>
            {answers[i] === undefined ? (
              <Notice kind="empty">Its answer is not known here: that of a chat is kept by the tab that asked.</Notice>
            ) : (
              <blockquote>
                {answers[i].slice(0, difference?.at)}
                {difference === undefined ? null : <mark>{answers[i].slice(difference.at) || '(ends)'}</mark>}
              </blockquote>
            )}
          </article>
        ))}
      </div>
      {known ? (
        <p role="status" className="facts">
          {difference === undefined
            ? 'The answers are the same.'
            : `The answers differ from word ${difference.word} on.`}
        </p>
      ) : null}
      {rows === null ? (
        <Notice kind="info">
          {comparable
            ? 'There are no rows to compare.'
            : 'Their rows cannot be compared: model, prompt or heads differ, or a policy keeps all and says nothing of layers.'}
        </Notice>
      ) : (
        <Overlap comparison={comparison.data} />
      )}
      <h2>What was kept</h2>
      {layers.length === 0 ? null : <ChoiceOfHeads layers={layers} choice={choice} onChoose={setChoice} />}
      <div className="runs two">
        {views.map(({ data, error }, i) => (
          <div key={i}>
            <ErrorNotice error={error} />
            {data === undefined ? null : <KeptPages view={data} choice={choice} compact />}
          </div>
        ))}
      </div>
    </>
  );
}

function Overlap({ comparison: { rows, layers } }: { readonly comparison: Comparison }) {
  if (rows === null) return null;
  return (
    <section aria-labelledby="overlap">
      <h2 id="overlap">Rows in common</h2>
      <p className="facts">
        <b>{formatShare(rows.overlap)}</b> of the rows that either kept, {formatCount(rows.both)}; only the first kept{' '}
        {formatCount(rows.only_a)}, only the other {formatCount(rows.only_b)}
      </p>
      <div className="scroll" tabIndex={0} role="region" aria-label="Rows in common by layer">
        <table className="overlap">
          <thead>
            <tr>
              <th scope="col">Layer</th>
              <th scope="col">In common</th>
              <th scope="col">Both</th>
              <th scope="col">Only one</th>
              <th scope="col">Only the other</th>
            </tr>
          </thead>
          <tbody>
            {layers.map(({ layer, both, only_a: onlyA, only_b: onlyB, overlap }) => (
              <tr key={layer}>
                <th scope="row">{layer}</th>
                <td className="nowrap">
                  <ShareBar share={overlap} label={`layer ${layer}`} /> {formatShare(overlap)}
                </td>
                {[both, onlyA, onlyB].map((count, i) => (
                  <td key={i} className="number">
                    {formatCount(count)}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

/** A batch's answer is asked for; a chat's is known where this tab asked. */
function useAnswer(view: TraceView | undefined): string | undefined {
  const { id = '', batchId = null } = view?.trace ?? {};
  const line = batchId === null ? undefined : id.slice(batchId.length + 1);
  const detail = useQuery({
    queryKey: ['line', batchId, Number(line)],
    queryFn: ({ signal }) => getJson<BatchLineDetail>(`/v1/batches/${batchId ?? ''}/lines/${line ?? ''}`, signal),
    enabled: line !== undefined,
    staleTime: Infinity,
  });
  return line === undefined ? knownAnswers.get(id) : answerOf(detail.data?.result ?? null);
}
