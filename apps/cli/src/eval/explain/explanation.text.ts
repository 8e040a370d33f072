import type { Explanation } from '@madakv/evaluation';
import { textTable } from '../../terminal/text.table.js';
import { formatBytes, formatCount } from '@madakv/insight';

/** An explanation for the terminal. */
export function explanationText(explanation: Explanation): string {
  const { policy, ratio, protocol, promptTokens, keptBytes, fullBytes, heads, places } = explanation;
  const percent = (share: number | undefined): string => (share === undefined ? '-' : `${(100 * share).toFixed(0)} %`);
  const headTable = textTable(
    ['layer', 'head', 'to text', 'text kept', 'visual kept', 'evidence kept'],
    heads.map(({ layer, head, textPreference, keptText, keptVisual, evidenceKept }) => [
      layer,
      head,
      percent(textPreference),
      keptText,
      keptVisual,
      percent(evidenceKept),
    ]),
  );
  const placeTable = textTable(
    ['share', 'kept by', 'where'],
    places.map(({ share, keptBy, where }) => [`${(100 * share).toFixed(1)} %`, `${keptBy}/${heads.length}`, where]),
  );
  return (
    `expected    ${JSON.stringify(explanation.expected)}\n` +
    `full cache  ${JSON.stringify(explanation.fullAnswer)}\n` +
    `${policy.padEnd(11)} ${JSON.stringify(explanation.answer)}, at ${Number((100 * ratio).toFixed(2))} % of ` +
    `${formatCount(promptTokens)} tokens (${formatBytes(keptBytes)} of ${formatBytes(fullBytes)}), ${protocol} protocol\n\n` +
    `Attention to text, rows kept, and share of the evidence kept, by layer and head:\n${headTable}\n` +
    `Where the right answer is read from, with the full cache, and how many heads of all layers kept it:\n${placeTable}`
  );
}
