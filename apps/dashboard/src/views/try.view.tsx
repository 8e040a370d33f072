import { useMutation, useQuery } from '@tanstack/react-query';
import { useEffect, useMemo, useRef, useState } from 'react';
import { Link } from 'wouter';
import { getJson } from '../api/http.js';
import type { ModelObject } from '../api/types.js';
import { AnswerRun, useRun, type Run } from '../try/answer.run.js';
import { CallSamples } from '../try/call.samples.js';
import { DropZone } from '../try/drop.zone.js';
import { firstDifference, type Question } from '../try/question.js';
import { uploadDocument } from '../try/upload.js';
import { ErrorNotice, Notice } from '../ui/notice.js';
import { PageTitle } from '../ui/page.title.js';
import { POLICIES } from './policies.js';

/** How often is looked for a model while there is none, in milliseconds. */
const MODELS_MS = 5_000;
const SCHEMA = `{
  "type": "object",
  "properties": {
    "invoice_number": { "type": "string" },
    "due_date": { "type": ["string", "null"], "format": "date" },
    "total_amount": { "type": ["number", "null"] }
  },
  "required": ["invoice_number"]
}`;

/** A question about a document that somebody drops here, and what was kept to answer it. */
export function TryView() {
  const [file, setFile] = useState<File>();
  const [kind, setKind] = useState<'ask' | 'extract'>('ask');
  const [text, setText] = useState('What is the total?');
  const [schema, setSchema] = useState(SCHEMA);
  const [chosenModel, setModel] = useState<string>();
  const [policy, setPolicy] = useState<string>('madakv');
  const [percent, setPercent] = useState(20);
  const [second, setSecond] = useState(false);
  const [secondPercent, setSecondPercent] = useState(100);
  const [runs, setRuns] = useState<readonly [Run | undefined, Run | undefined]>([undefined, undefined]);
  const [first, other] = [useRun(runs[0]), useRun(runs[1])];
  const models = useQuery({
    queryKey: ['models'],
    queryFn: ({ signal }) => getJson<{ readonly data: readonly ModelObject[] }>('/v1/models', signal),
    refetchInterval: ({ state }) => (state.data === undefined || state.data.data.length === 0 ? MODELS_MS : false),
  });
  const model = chosenModel ?? models.data?.data.at(0)?.id ?? '';
  const parsed = useMemo(() => parse(schema), [schema]);
  const question = (share: number): Question => ({
    model,
    text: kind === 'ask' ? text : '',
    policy: share === 100 && policy === 'madakv' ? 'full' : policy,
    ratio: share / 100,
    ...(kind === 'extract' && parsed !== undefined ? { schema: parsed } : {}),
  });
  // Whoever leaves waits for no upload.
  const left = useRef(new AbortController());
  useEffect(() => {
    left.current = new AbortController();
    return () => {
      left.current.abort();
    };
  }, []);
  const ask = useMutation({
    mutationFn: async () => {
      const fileId = file === undefined ? undefined : (await uploadDocument(file, left.current.signal)).id;
      setRuns([
        { question: question(percent), fileId },
        second ? { question: question(secondPercent), fileId } : undefined,
      ]);
    },
  });
  const bothDone =
    runs[1] !== undefined && first.done && other.done && first.answer !== undefined && other.answer !== undefined;
  const difference = bothDone ? firstDifference(first.answer.text, other.answer.text) : undefined;
  const busy = ask.isPending || (runs[0] !== undefined && !first.done) || (runs[1] !== undefined && !other.done);
  const lacking = kind === 'extract' && (parsed === undefined || file === undefined);
  return (
    <>
      <PageTitle name="Try it" />
      {models.data?.data.length === 0 ? (
        <Notice kind="empty">No model is served yet. As soon as a worker is ready, you can ask here.</Notice>
      ) : null}
      <ErrorNotice error={models.error} />
      <form
        className="try"
        onSubmit={(event) => {
          event.preventDefault();
          ask.mutate();
        }}
      >
        <DropZone file={file} onFile={setFile} />
        <div className="fields">
          <div className="segments" role="group" aria-label="What is asked for">
            {(['ask', 'extract'] as const).map((one) => (
              <button
                key={one}
                type="button"
                aria-pressed={one === kind}
                onClick={() => {
                  setKind(one);
                }}
              >
                {one === 'ask' ? 'A question' : 'An object of a schema'}
              </button>
            ))}
          </div>
          {kind === 'ask' ? (
            <label>
              Question
              <textarea
                rows={2}
                required
                value={text}
                onChange={({ target }) => {
                  setText(target.value);
                }}
              />
            </label>
          ) : (
            <label>
              JSON schema
              <textarea
                rows={10}
                className="code"
                spellCheck={false}
                value={schema}
                aria-invalid={parsed === undefined}
                onChange={({ target }) => {
                  setSchema(target.value);
                }}
              />
              {parsed === undefined ? <small role="alert">This is not JSON.</small> : null}
            </label>
          )}
          <div className="options">
            <label>
              Model{' '}
              <select
                value={model}
                onChange={({ target }) => {
                  setModel(target.value);
                }}
              >
                {models.data?.data.map(({ id }) => (
                  <option key={id}>{id}</option>
                ))}
              </select>
            </label>
            <label>
              Policy{' '}
              <select
                value={policy}
                onChange={({ target }) => {
                  setPolicy(target.value);
                }}
              >
                {POLICIES.map((name) => (
                  <option key={name}>{name}</option>
                ))}
              </select>
            </label>
          </div>
          <Ratio name="Cache that may be kept" percent={percent} onPercent={setPercent} />
          <label className="check">
            <input
              type="checkbox"
              checked={second}
              onChange={({ target }) => {
                setSecond(target.checked);
              }}
            />
            the same question at another ratio beside it
          </label>
          {second ? <Ratio name="The other ratio" percent={secondPercent} onPercent={setSecondPercent} /> : null}
          <button type="submit" className="primary" disabled={busy || model === '' || lacking}>
            {ask.isPending ? 'Uploading…' : busy ? 'Answering…' : kind === 'ask' ? 'Ask' : 'Extract'}
          </button>
          {kind === 'extract' && file === undefined ? <small>Choose a document first.</small> : null}
        </div>
      </form>
      <ErrorNotice error={ask.error} />
      {bothDone ? (
        <p className="facts" role="status">
          {difference === undefined
            ? 'Both answers are the same. '
            : `The answers differ from word ${difference.word} on. `}
          <Link href={`/compare?a=${first.answer.id}&b=${other.answer.id}`}>Compare what they kept</Link>
        </p>
      ) : null}
      <div className={runs[1] === undefined ? 'runs' : 'runs two'}>
        {runs.map((run, i) =>
          run === undefined ? null : (
            <AnswerRun
              key={i}
              name={`${Math.round(run.question.ratio * 100)} % of the cache`}
              state={i === 0 ? first : other}
              differsAt={difference?.at}
            />
          ),
        )}
      </div>
      <CallSamples question={question(percent)} fileName={file?.name} />
    </>
  );
}

interface RatioProps {
  readonly name: string;
  readonly percent: number;
  readonly onPercent: (percent: number) => void;
}

function Ratio({ name, percent, onPercent }: RatioProps) {
  return (
    <label className="ratio">
      {name}
      <input
        type="range"
        min="1"
        max="100"
        value={percent}
        aria-valuetext={`${percent} %`}
        onChange={({ target }) => {
          onPercent(target.valueAsNumber);
        }}
      />
      <output>{percent} %</output>
    </label>
  );
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
