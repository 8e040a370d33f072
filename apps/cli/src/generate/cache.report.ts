import type { CacheTrace, GenerationResult, LayerTrace } from '@madakv/engine';
import type { AppliedProfile } from '@madakv/requests';
import { textTable } from '../terminal/text.table.js';
import { formatBytes, formatCount, formatMs } from '@madakv/insight';

/** What the cache kept, for people. Rows are tokens a head. */
export function cacheReport({ trace, usage, finishReason }: GenerationResult, profile?: AppliedProfile): string {
  const head = ['layer', 'budget', 'demand', 'compensation', 'kept', ...trace.modalities];
  const rows = trace.layers.map((layer) => [
    layer.layer,
    round(layer.budget),
    round(layer.demand),
    round(layer.compensation),
    layer.rows,
    ...trace.modalities.map((_, modality) => round(meanKept(layer, modality))),
  ]);
  const byModality = trace.modalities.map((name, i) => `${formatCount(trace.promptTokens[i])} ${name}`).join(', ');
  const { bytes, ms } = trace;
  const lines = [
    `prompt   ${formatCount(usage.promptTokens)} tokens: ${byModality}`,
    `answer   ${formatCount(usage.completionTokens)} tokens, ended by ${finishReason}`,
    `policy   ${trace.policy} at cache ratio ${trace.ratio}, ${trace.protocol} protocol${profileNote(profile)}`,
    `cache    full ${formatBytes(bytes.full)}, peak ${withShare(bytes.peak, bytes)}, ` +
      `kept ${withShare(bytes.afterEviction, bytes)}`,
    `time     vision ${formatMs(ms.vision)}, prefill ${formatMs(ms.prefill)}, ` +
      `observe ${formatMs(ms.observe)}, evict ${formatMs(ms.evict)}, decode ${formatMs(ms.decode)}` +
      ` (first token after ${formatMs(ms.firstToken)})`,
  ];
  return `Kept a head, by layer and modality:\n${textTable(head, rows)}\n${lines.join('\n')}\n`;
}

function profileNote(profile: AppliedProfile | undefined): string {
  return profile === undefined ? '' : `, layers as calibrated on ${profile.profile.provenance.requests} requests`;
}

function withShare(part: number, { full }: CacheTrace['bytes']): string {
  return `${formatBytes(part)} (${((100 * part) / full).toFixed(1)} %)`;
}

function meanKept(layer: LayerTrace, modality: number): number {
  return layer.kept.reduce((sum, head) => sum + head[modality], 0) / layer.kept.length;
}

function round(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(1);
}
