import type { AnsweredTrace, FailedTrace, LayerTraceDocument, TimelineEntry, TraceDocument } from '@madakv/contracts';
import { warningsOf, warningText } from '../api/answer.warnings.js';
import { partMark, partSign, sparkline, stackedBar } from '../terminal/stacked.bar.js';
import { formatBytes, formatCount, formatMs, formatTime, keptDensity } from '@madakv/insight';

/** Everything fits a terminal of 80 columns. */
const BAR_WIDTH = 22;
/** Of the column that says how much of the attention fell on kept rows; the bars make room for it. */
const ATTENTION_WIDTH = 6;
const CACHE_WIDTH = 40;
const TIME_WIDTH = 34;
const PROMPT_WIDTH = 64;
const TEXT_WIDTH = 71;
/** Heads whose preference is drawn one by one. */
const SHOWN_HEADS = 8;
/** Pages that are listed. */
const SHOWN_PAGES = 6;

/** A trace for people, at most 80 columns wide. */
export function drawTrace(trace: TraceDocument, colour: boolean): string {
  const sections = [heading(trace), ...(trace.error === null ? answered(trace, colour) : failed(trace, colour))];
  return sections.map((lines) => lines.map((line) => `${line.trimEnd()}\n`).join('')).join('\n');
}

function answered(trace: AnsweredTrace, colour: boolean): string[][] {
  return [
    summary(trace, colour),
    ...(trace.cache.layers.length === 0 ? [] : [layers(trace, colour), prompt(trace)]),
    times(trace),
    lease(trace.lease),
  ];
}

function failed(trace: FailedTrace, colour: boolean): string[][] {
  return [failure(trace, colour), times(trace), ...(trace.lease === null ? [] : [lease(trace.lease)])];
}

function heading(trace: TraceDocument): string[] {
  const { id, model, createdAt, customId, batchId, worker, device, attempt, otelTraceId } = trace;
  return [
    `${id}   ${model}   ${formatTime(createdAt)}`,
    ...(batchId === null ? [] : [`line ${JSON.stringify(customId ?? '')} of ${batchId}`]),
    `worker ${worker}${device === null ? '' : `, device ${device}`}${attempt > 1 ? `, attempt ${attempt}` : ''}`,
    ...(otelTraceId === null ? [] : [`OpenTelemetry trace ${otelTraceId}`]),
  ];
}

function summary(trace: AnsweredTrace, colour: boolean): string[] {
  const { cache, usage, finishReason, images } = trace;
  const { bytes, modalities, promptTokens } = cache;
  const granted = cache.ratio === cache.requestedRatio ? '' : ` (${percent(cache.requestedRatio)} asked for)`;
  const cacheBar = (name: string, value: number): string => {
    const bar = stackedBar([value], { whole: Math.max(bytes.full, bytes.peak), width: CACHE_WIDTH, colour: false });
    return `${name.padEnd(9)}${bar}  ${formatBytes(value).padStart(9)}  ${percent(value / Math.max(1, bytes.full)).padStart(8)}`;
  };
  return [
    promptLine(usage.promptTokens, modalities, promptTokens, colour),
    ...pages(images),
    ...shared(cache.sharing),
    `answer   ${formatCount(usage.completionTokens)} tokens, ended by ${finishReason}`,
    `policy   ${cache.policy}, ${percent(cache.ratio)} of the cache granted${granted}, ${cache.protocol} protocol`,
    ...warningsOf(trace).flatMap((warning) => labelled('warning', warningText(warning))),
    '',
    'Cache',
    cacheBar('  full', bytes.full),
    cacheBar('  peak', bytes.peak),
    cacheBar('  kept', bytes.afterEviction),
    cacheBar('  at end', bytes.final),
  ];
}

/** Text beside a label, on as many lines as it takes. */
function labelled(label: string, text: string): string[] {
  return wrapped(text, TEXT_WIDTH).map((line, index) => `${(index === 0 ? label : '').padEnd(7)}  ${line}`);
}

type Sharing = AnsweredTrace['cache']['sharing'];

/** Why a request shared nothing, for people. Where nobody else was there, that is not worth a line. */
const NOT_SHARED: Readonly<Record<string, (sharing: Sharing) => string>> = {
  nothing_alike: ({ alikeTokens = 0 }) =>
    `nothing: others begin like it for ${formatCount(alikeTokens)} tokens at most; put documents before what differs`,
  observes_all: () => 'nothing: its policy watches the whole prompt, which is not kept of a document',
  too_large: () => 'nothing: MADAKV_RESIDENT_BYTES does not hold its document for the next question',
};

function shared(sharing: Sharing): string[] {
  const { requests, sharedTokens, cachedTokens, residentTokens = 0, reason = '' } = sharing;
  const computed = cachedTokens === 0 ? 'read here' : `${formatCount(cachedTokens)} not read again for this one`;
  if (requests > 1) {
    return [
      `shared   with ${formatCount(requests - 1)} more: the first ${formatCount(sharedTokens)} tokens, ${computed}`,
    ];
  }
  if (residentTokens > 0)
    return [`shared   the first ${formatCount(residentTokens)} tokens, read for an earlier question`];
  const why = NOT_SHARED[reason] as ((of: Sharing) => string) | undefined;
  return why === undefined ? [] : labelled('shared', why(sharing));
}

function failure({ error, prompt, images }: FailedTrace, colour: boolean): string[] {
  const { stage, code, reason, param, message } = error;
  return [
    `failed   in ${stage}: ${code}${reason === null ? '' : ` (${reason})`}`,
    ...(param === null ? [] : [`         ${param}`]),
    ...wrapped(message, TEXT_WIDTH).map((line) => `         ${line}`),
    ...(prompt === null ? [] : unanswered(prompt, images, colour)),
  ];
}

function unanswered(
  { tokens, fullBytes, requestedRatio }: NonNullable<FailedTrace['prompt']>,
  images: FailedTrace['images'],
  colour: boolean,
): string[] {
  const counts = Object.values(tokens);
  const whole = counts.reduce((sum, count) => sum + count, 0);
  return [
    promptLine(whole, Object.keys(tokens), counts, colour),
    ...pages(images),
    `cache    ${percent(requestedRatio)} of ${formatBytes(fullBytes)} asked for`,
  ];
}

function promptLine(whole: number, modalities: readonly string[], counts: readonly number[], colour: boolean): string {
  const parts = modalities.map((name, i) => `${partSign(i, colour)} ${formatCount(counts[i])} ${name}`);
  return `prompt   ${formatCount(whole)} tokens: ${parts.join('  ')}`;
}

function pages(images: TraceDocument['images']): string[] {
  const lines = images.slice(0, SHOWN_PAGES).map(({ part, page, width, height, tokens }) => {
    const name = page === null ? part : `${part}, page ${page}`;
    const counted = tokens === null ? '' : `  ${formatCount(tokens).padStart(6)} tokens`;
    return `         ${clipped(name, 38).padEnd(38)}  ${`${width}×${height}`.padStart(9)}${counted}`;
  });
  const more = images.length - lines.length;
  return more > 0 ? [...lines, `         and ${more} more images`] : lines;
}

function layers({ cache }: AnsweredTrace, colour: boolean): string[] {
  const { modalities } = cache;
  const most = Math.max(1, ...cache.layers.map(({ rows, budget }) => Math.max(rows, budget)));
  const legend = modalities.map((name, i) => `${partSign(i, colour)} ${name}`).join('  ');
  // With text and one other modality, that other one says it all.
  const shown = modalities.length > 1 ? 1 : 0;
  const measured = cache.layers.some(({ attentionKept }) => attentionKept !== undefined);
  const width = measured ? BAR_WIDTH - ATTENTION_WIDTH : BAR_WIDTH;
  const attention = measured ? 'attn.'.padStart(ATTENTION_WIDTH) : '';
  const head = `  ${'layer'.padStart(5)} ${'budget'.padStart(7)} ${'demand'.padStart(7)} ${'comp.'.padStart(7)} ${'rows'.padStart(6)}${attention}  `;
  return [
    `Layers: rows a head   ${legend}  · budget left${measured ? '  attn.: attention kept' : ''}`,
    `${head}${'kept'.padEnd(width)}  ${modalities[shown]} preferred`,
    ...cache.layers.map((layer) => {
      const cells = [
        String(layer.layer).padStart(5),
        figure(layer.budget).padStart(7),
        figure(layer.demand).padStart(7),
        signed(layer.compensation).padStart(7),
        formatCount(layer.rows).padStart(6),
      ];
      const kept = modalities.map((_, modality) => meanOf(layer.kept, modality));
      const bar = stackedBar(kept, { whole: most, reach: layer.budget, width, colour });
      return `  ${cells.join(' ')}${measured ? attentionOf(layer) : ''}  ${bar}  ${preference(layer, shown, colour)}`;
    }),
  ];
}

/** Mean over its heads, in whole percent. */
function attentionOf({ attentionKept: heads = [] }: LayerTraceDocument): string {
  const mean = heads.reduce((sum, share) => sum + share, 0) / Math.max(1, heads.length);
  return (heads.length === 0 ? '–' : `${Math.round(100 * mean)} %`).padStart(ATTENTION_WIDTH);
}

/** A column a head, and the mean. */
function preference(layer: LayerTraceDocument, modality: number, colour: boolean): string {
  const heads = layer.preference.map((shares) => shares[modality]);
  const drawn = sparkline(heads.slice(0, SHOWN_HEADS)) + (heads.length > SHOWN_HEADS ? '…' : '');
  return `${partMark(modality, drawn, colour)} ${percent(meanOf(layer.preference, modality)).padStart(6)}`;
}

/** Where in the prompt kept rows lie, over all layers and heads. */
function prompt({ cache }: AnsweredTrace): string[] {
  const total = cache.promptTokens.reduce((sum, count) => sum + count, 0);
  const density = keptDensity(cache.layers, total, PROMPT_WIDTH);
  if (density.length === 0) return [];
  const end = formatCount(total);
  return [
    'Prompt: share of heads and layers that kept what stands there',
    `  ${sparkline(density, Math.max(...density))}`,
    `  1${end.padStart(density.length - 1)}`,
  ];
}

function times({ ms, error, timeline = [] }: TraceDocument): string[] {
  const reached = [
    ['waiting to prepare', ms.queuePrepare],
    ['prepare', ms.prepare],
    ['waiting to generate', ms.queueGenerate],
    ['lease', ms.lease],
    ['vision', ms.vision],
    ['prefill', ms.prefill],
    ['observe', ms.observe],
    ['evict', ms.evict],
    ['decode', ms.decode],
  ] as const;
  const steps = reached.flatMap(([name, took]) => (took === null ? [] : [{ name, took }]));
  const total = ms.total ?? 0;
  const whole = Math.max(
    1,
    total,
    steps.reduce((sum, { took }) => sum + took, 0),
  );
  let before = 0;
  const lines = steps.map(({ name, took }) => {
    const start = Math.min(TIME_WIDTH - 1, Math.round((before / whole) * TIME_WIDTH));
    before += took;
    const cells = Math.min(TIME_WIDTH - start, Math.round((took / whole) * TIME_WIDTH));
    const drawn = took === 0 ? '' : ' '.repeat(start) + (cells > 0 ? '█'.repeat(cells) : '▏');
    return `  ${name.padEnd(21)}${drawn.padEnd(TIME_WIDTH + 1)} ${formatMs(took).padStart(10)}`;
  });
  const until = error === null ? `in all, first token ${formatMs(ms.firstToken)} after submission` : 'until it failed';
  return [`Time: ${formatMs(total)} ${until}`, ...lines, ...triedBefore(timeline)];
}

/** Attempts that came to nothing. */
function triedBefore(timeline: readonly TimelineEntry[]): string[] {
  const attempts = timeline.filter(({ kind }) => kind === 'attempt').slice(0, -1);
  return attempts.flatMap(({ stage, what, worker, fromMs, untilMs, times: count }) => {
    if (what === 'prepared') return [];
    const took = untilMs === null ? '' : `, ended after ${formatMs(untilMs - fromMs)}`;
    const by = worker === null ? '' : ` at ${worker}`;
    return [
      `  tried at ${`+${formatMs(fromMs)}`.padStart(10)}  ${stage}: ${what}${count > 1 ? ` (${count} times)` : ''}${by}${took}`,
    ];
  });
}

function lease({ leaseId, deviceId, fencingToken, requests, grantedBytes, events }: AnsweredTrace['lease']): string[] {
  const since = events.at(0)?.atMs ?? 0;
  return [
    `Lease: ${formatBytes(grantedBytes)} granted on ${deviceId}, fencing token ${fencingToken}`,
    ...(requests > 1 ? [`  one lease of ${requests} requests, whose bytes follow`] : []),
    `  ${leaseId}`,
    ...events.map(({ atMs, event, bytes, detail }) => {
      const after = `+${formatMs(atMs - since)}`.padStart(12);
      return `  ${after}  ${event.padEnd(9)} ${formatBytes(bytes).padStart(9)}${detail === undefined ? '' : `  ${detail}`}`;
    }),
  ];
}

function meanOf(heads: readonly (readonly number[])[], modality: number): number {
  return heads.reduce((sum, head) => sum + head[modality], 0) / Math.max(1, heads.length);
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function figure(value: number): string {
  return Number.isInteger(value) || Math.abs(value) >= 1000 ? formatCount(value) : value.toFixed(1);
}

function signed(value: number): string {
  return value > 0 ? `+${figure(value)}` : figure(value);
}

/** Lines of whole words; a word that is too long is broken. */
function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(/\s+/).flatMap((word) => word.match(new RegExp(`.{1,${width}}`, 'gu')) ?? [])) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}

function clipped(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
}
