import { textTable } from '../terminal/text.table.js';
import { formatBytes, formatCount } from '@madakv/insight';
import { PAGE_DPI } from './page.fit.js';
import { PRECISIONS, RATIOS, type FitFigures, type ModelFigures } from './model.figures.js';

/** The figures of a checkpoint, for people. */
export function modelReport(figures: ModelFigures): string {
  const { parameters, stored } = figures;
  const types = Object.entries(stored.types).map(([type, bytes]) => `${type} ${formatBytes(bytes)}`);
  const lines = [
    ['family', figures.family],
    ['decoder', `${figures.layers} layers, ${figures.heads} heads, ${figures.kv_heads} KV heads of ${figures.head_dim}`],
    ['vocabulary', `${formatCount(figures.vocab_size)}${figures.tied_embeddings ? ', tied to the embeddings' : ''}`],
    ['positions', formatCount(figures.max_positions)],
    [
      'parameters',
      `${formatCount(parameters.total)} (language ${formatCount(parameters.language)}, ` +
        `vision ${formatCount(parameters.vision)})`,
    ],
    ['KV cache', `${formatBytes(figures.kv_bytes_per_token)} a token (fp32)`],
    ['page', pageLine(figures)],
    ['stored', `${formatBytes(stored.bytes)}: ${types.join(', ')}`],
    ...Object.entries(figures.weight_bytes).map(([name, bytes]) => [`at ${name}`, formatBytes(bytes)]),
  ];
  const width = Math.max(...lines.map(([name]) => name.length));
  const head = ['memory', 'ratio', ...PRECISIONS.map(({ name }) => name)];
  return (
    lines.map(([name, text]) => `${name.padEnd(width)}  ${text}\n`).join('') +
    `\nTokens of prompt that fit${figures.tokens_per_page === null ? '' : ' (A4 pages)'}, by precision of the weights:\n${textTable(head, fitRows(figures.fits))}` +
    '\nWeights and the peak of the cache (one layer in full, all layers at the ratio); activations come on top.\n' +
    (figures.tokens_per_page === null ? '' : 'Pages of one request are limited by MADAKV_MAX_PAGES of the workers too.\n') +
    (figures.fits.some(({ limited_by: by }) => by === 'positions') ? '* limited by the positions that the model has, not by memory\n' : '')
  );
}

function pageLine({ tokens_per_page: tokens, positions_per_page: positions }: ModelFigures): string {
  if (tokens === null || positions === null) return 'none: the model reads text alone';
  return `${formatCount(tokens)} tokens, ${formatCount(positions)} positions (A4 at ${PAGE_DPI} dpi, as the workers draw it)`;
}

function fitRows(fits: readonly FitFigures[]): string[][] {
  const rows: string[][] = [];
  const across = PRECISIONS.length * RATIOS.length;
  for (let start = 0; start < fits.length; start += across) {
    const group = fits.slice(start, start + across);
    for (const ratio of RATIOS) {
      const cells = group.filter((figures) => figures.ratio === ratio).map(fitCell);
      rows.push([formatBytes(group[0].memory_bytes), `${100 * ratio} %`, ...cells]);
    }
  }
  return rows;
}

function fitCell({ tokens, pages, limited_by: by }: FitFigures): string {
  if (by === 'weights') return '-';
  const shown = pages === null ? '' : ` (${formatCount(pages)})`;
  return `${formatCount(tokens)}${by === 'positions' ? '*' : ''}${shown}`;
}
