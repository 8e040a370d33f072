import { Link } from 'wouter';
import type { TraceView } from '../api/types.js';
import { formatBytes, formatCount, formatMs, formatShare, formatTime } from '../numbers.js';
import { CacheBars, Figure, Figures } from '../ui/figures.js';
import { Notice } from '../ui/notice.js';

type Trace = TraceView['trace'];
type Answered = Extract<Trace, { error: null }>;

/** Status, model, policy, ratios, tokens, bytes. */
export function RequestHeader({ trace }: { readonly trace: Trace }) {
  const { model, createdAt, batchId, customId, worker, device, attempt, warnings } = trace;
  return (
    <>
      <p className="facts">
        {model}, {formatTime(createdAt)}, worker {worker}
        {device === null ? '' : `, device ${device}`}
        {attempt > 1 ? `, attempt ${attempt}` : ''}
        {batchId === null ? null : (
          <>
            , line <code>{customId}</code> of <Link href={`/batches/${batchId}`}>{batchId}</Link>
          </>
        )}
      </p>
      {warnings.map(({ code, message, param }, i) => (
        <Notice key={i} kind="info">
          <code>{code}</code> {message} <small>{param}</small>
        </Notice>
      ))}
      {trace.error === null ? <Answer trace={trace} /> : <Failure trace={trace} />}
    </>
  );
}

function Answer({ trace: { cache, usage, finishReason, ms } }: { readonly trace: Answered }) {
  const { bytes, policy, ratio, requestedRatio, modalities, promptTokens, sharing } = cache;
  const tokens = modalities.map((name, i) => `${formatCount(promptTokens[i])} ${name}`).join(', ');
  const saved = Math.max(0, bytes.full - bytes.afterEviction);
  const asked = ratio === requestedRatio ? 'as asked for' : `${formatShare(requestedRatio)} asked for`;
  return (
    <div className="request-head">
      <Figures>
        <Figure name="Policy" value={policy} detail={`protocol ${cache.protocol}`} />
        <Figure name="Granted" value={formatShare(ratio)} detail={asked} />
        <Figure name="Prompt" value={formatCount(usage.promptTokens)} detail={`tokens: ${tokens}`} />
        <Figure name="Answer" value={formatCount(usage.completionTokens)} detail={`tokens, ended by ${finishReason}`} />
        <Figure
          name="Took"
          value={formatMs(ms.total)}
          detail={`first token ${formatMs(ms.total - ms.decode)} after acceptance`}
        />
        <Figure
          name="Saved"
          value={formatBytes(saved)}
          detail={`${formatShare(saved / Math.max(1, bytes.full))} of the cache`}
        />
        <Figure name="Shared" value={sharedText(sharing)} detail={sharedDetail(sharing)} />
      </Figures>
      <CacheBars bytes={{ full: bytes.full, peak: bytes.peak, kept: bytes.afterEviction }} />
    </div>
  );
}

type Sharing = Answered['cache']['sharing'];

function sharedText({ requests, residentTokens = 0 }: Sharing): string {
  if (requests > 1) return `${formatCount(requests)} requests`;
  return residentTokens > 0 ? formatCount(residentTokens) : 'nothing';
}

function sharedDetail({ requests, sharedTokens, cachedTokens, residentTokens = 0, reason }: Sharing): string {
  if (requests > 1)
    return `begin alike for ${formatCount(sharedTokens)} tokens; ${formatCount(cachedTokens)} not computed here`;
  return residentTokens > 0 ? 'tokens read for an earlier question' : (reason ?? '').replaceAll('_', ' ');
}

function Failure({ trace }: { readonly trace: Extract<Trace, { error: object }> }) {
  const { stage, code, message, param, reason } = trace.error;
  const { prompt } = trace;
  return (
    <>
      <Notice kind="error">
        <p>
          Failed in {stage}: <code>{reason ?? code}</code> {param === null ? null : <small>{param}</small>}
        </p>
        <p>{message}</p>
      </Notice>
      {prompt === null ? null : (
        <Figures>
          <Figure
            name="Prompt"
            value={formatCount(Object.values(prompt.tokens).reduce((sum, count) => sum + count, 0))}
            detail={Object.entries(prompt.tokens)
              .map(([name, count]) => `${formatCount(count)} ${name}`)
              .join(', ')}
          />
          <Figure
            name="Cache asked for"
            value={formatShare(prompt.requestedRatio)}
            detail={`of ${formatBytes(prompt.fullBytes)}`}
          />
        </Figures>
      )}
    </>
  );
}
