import { useQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { Link } from 'wouter';
import { streamChat, type StreamedAnswer } from '../api/chat.stream.js';
import { postJson } from '../api/http.js';
import type { ChatCompletion } from '../api/types.js';
import { ALL, KeptPages } from '../kept/kept.pages.js';
import { formatBytes, formatCount, formatMs, formatShare } from '../numbers.js';
import { CacheBars } from '../ui/figures.js';
import { ErrorNotice, Notice } from '../ui/notice.js';
import { traceQuery } from '../views/request.view.js';
import { knownAnswers } from './known.answers.js';
import { bodyOf, type Question } from './question.js';

export interface Run {
  readonly question: Question;
  readonly fileId: string | undefined;
}

export interface RunState {
  readonly answer: StreamedAnswer | undefined;
  readonly fields?: ChatCompletion['madakv']['fields'];
  readonly done: boolean;
  readonly tookMs?: number;
  readonly error?: unknown;
}

/** Asks as soon as it is there, and stops when it is not wanted any more. */
export function useRun(run: Run | undefined): RunState {
  const [state, setState] = useState<RunState>({ answer: undefined, done: false });
  useEffect(() => {
    if (run === undefined) return;
    const stop = new AbortController();
    const from = performance.now();
    setState({ answer: undefined, done: false });
    const onAnswer = (answer: StreamedAnswer): void => {
      if (!stop.signal.aborted) setState({ answer, done: false });
    };
    ask(run, onAnswer, stop.signal)
      .then((ended) => {
        if (ended.answer !== undefined) knownAnswers.set(ended.answer.id, ended.answer.text);
        if (!stop.signal.aborted) setState({ ...ended, tookMs: performance.now() - from });
      })
      .catch((error: unknown) => {
        if (!stop.signal.aborted) setState((before) => ({ ...before, done: true, error }));
      });
    return () => {
      stop.abort();
    };
  }, [run]);
  return state;
}

async function ask(
  { question, fileId }: Run,
  onAnswer: (answer: StreamedAnswer) => void,
  signal: AbortSignal,
): Promise<RunState> {
  const body = bodyOf(question, fileId);
  if (question.schema === undefined) return { answer: await streamChat(body, onAnswer, signal), done: true };
  // An extraction is not streamed.
  const { id, choices, usage, madakv } = await postJson<ChatCompletion>('/v1/chat/completions', body, signal);
  const text = choices[0].message.content;
  const tokens = { promptTokens: usage.prompt_tokens, completionTokens: usage.completion_tokens };
  return { answer: { id, text, summary: madakv, ...tokens }, fields: madakv.fields, done: true };
}

interface AnswerRunProps {
  readonly name: string;
  readonly state: RunState;
  /** Where its answer begins to differ from the other's, in characters. */
  readonly differsAt: number | undefined;
}

/** An answer as it comes, and what was kept for it. */
export function AnswerRun({ name, state, differsAt }: AnswerRunProps) {
  const { answer, done, error, fields, tookMs } = state;
  return (
    <article className="card answer" aria-busy={!done}>
      <h3>{name}</h3>
      <blockquote aria-live="polite">
        {answer === undefined && error === undefined ? <span className="waiting">reading…</span> : null}
        {answer === undefined ? null : <Text text={answer.text} differsAt={differsAt} />}
      </blockquote>
      <ErrorNotice error={error} />
      {answer?.summary === undefined ? null : (
        <>
          <p className="facts">
            {answer.summary.policy}, {formatShare(answer.summary.cache_ratio)} granted,{' '}
            {formatCount(answer.promptTokens ?? 0)} tokens in, {formatCount(answer.completionTokens ?? 0)} out
            {tookMs === undefined ? '' : `, ${formatMs(tookMs)}`}
          </p>
          <CacheBars bytes={answer.summary.bytes} />
          {answer.summary.warnings.map(({ code, message }, i) => (
            <Notice key={i} kind="info">
              <code>{code}</code> {message}
            </Notice>
          ))}
        </>
      )}
      {fields === undefined ? null : <Fields fields={fields} />}
      {done && answer?.summary !== undefined ? <Kept id={fields?.[0]?.trace_id ?? answer.id} /> : null}
    </article>
  );
}

function Text({ text, differsAt }: { readonly text: string; readonly differsAt: number | undefined }) {
  if (differsAt === undefined) return <>{text}</>;
  return (
    <>
      {text.slice(0, differsAt)}
      <mark>{text.slice(differsAt) || '(ends)'}</mark>
    </>
  );
}

function Fields({ fields }: { readonly fields: NonNullable<ChatCompletion['madakv']['fields']> }) {
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label="Fields">
      <table>
        <thead>
          <tr>
            <th scope="col">Field</th>
            <th scope="col">Value</th>
            <th scope="col">Problems</th>
            <th scope="col">Kept</th>
          </tr>
        </thead>
        <tbody>
          {fields.map(({ name, value, problems, bytes, trace_id: id }) => (
            <tr key={name}>
              <th scope="row">
                <Link href={`/requests/${id}`}>{name}</Link>
              </th>
              <td>{JSON.stringify(value)}</td>
              <td>{problems.map(({ message }) => message).join('; ')}</td>
              <td className="number">{formatBytes(bytes.kept)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Kept({ id }: { readonly id: string }) {
  const view = useQuery(traceQuery(id));
  return (
    <>
      <p>
        <Link href={`/requests/${id}`}>All about this request</Link>
      </p>
      <ErrorNotice error={view.error} />
      {view.data === undefined ? null : <KeptPages view={view.data} choice={ALL} compact />}
    </>
  );
}
