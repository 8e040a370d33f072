import { MODALITIES, type CalibratedProfile } from '@madakv/engine';
import { bar, textTable } from '../terminal/text.table.js';
import { formatCount } from '@madakv/insight';

const BAR_WIDTH = 24;

/** A profile for people: what was measured of each layer and the weight it gets, with a bar. */
export function profileReport({ provenance, layers }: CalibratedProfile, path: string): string {
  const { figures } = provenance;
  const judged = figures.correctFull !== undefined;
  const visual = MODALITIES.indexOf('visual');
  const most = Math.max(...layers);
  const head = ['layer', 'mean KL', 'largest KL', 'same token', ...(judged ? ['correct'] : []), 'visual', 'weight', ''];
  const rows = figures.layers.map((figure) => [
    figure.layer,
    figure.meanDivergence.toPrecision(3),
    figure.maxDivergence.toPrecision(3),
    percent(figure.sameFirst),
    ...(judged ? [percent(figure.correct ?? 0)] : []),
    range(figure.preference.map((head) => head[visual])),
    figure.weight.toFixed(2),
    bar(figure.weight / most, BAR_WIDTH),
  ]);
  const full = judged ? `; ${percent(figures.correctFull ?? 0)} correct with the full cache` : '';
  return (
    `${formatCount(provenance.requests)} requests, ${formatCount(provenance.promptTokens)} prompt tokens; ` +
    `one layer at a time keeps ${percent(provenance.ratio)} of its rows${full}\n\n` +
    `${textTable(head, rows)}\n` +
    'KL: how far the first answer token’s distribution moves when only this layer is evicted (nats)\n' +
    'visual: share of the last prompt token’s attention to images, from the least to the most over the heads\n' +
    `profile written to ${path}\n`
  );
}

function percent(share: number): string {
  return `${Number((100 * share).toFixed(1))} %`;
}

function range(shares: readonly number[]): string {
  const [least, most] = [Math.min(...shares), Math.max(...shares)];
  return `${(100 * least).toFixed(0)}-${(100 * most).toFixed(0)} %`;
}
