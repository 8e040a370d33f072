import type { OptionReader } from './option.reader.js';
import type { Pooling } from './pooling.js';
import type { Window } from './window.js';

const single: Window = { before: 0, after: 0 };

/**
 * Reads the option `pooling`: `{kind: 'none'}`, `{kind: 'tokens', reduction, window}` or
 * `{kind: 'grid', reduction, rows, cols, text}`. Windows are odd cell counts or `{before, after}`. What is left out comes
 * from the default where that is of the same kind, otherwise: `max`, windows of one cell.
 */
export function readPooling(options: OptionReader, fallback: Pooling): Pooling {
  const reader = options.child('pooling');
  const kind = reader.choice('kind', fallback.kind, ['none', 'tokens', 'grid']);
  const pooling = readKind(reader, kind, fallback);
  reader.done();
  return pooling;
}

function readKind(reader: OptionReader, kind: Pooling['kind'], fallback: Pooling): Pooling {
  if (kind === 'none') return { kind };
  const reductions = ['max', 'avg'] as const;
  const reduction = reader.choice('reduction', fallback.kind === kind ? fallback.reduction : 'max', reductions);
  if (kind === 'tokens') {
    return { kind, reduction, window: reader.window('window', fallback.kind === kind ? fallback.window : single) };
  }
  const defaults = fallback.kind === kind ? fallback : { rows: single, cols: single, text: single };
  return {
    kind,
    reduction,
    rows: reader.window('rows', defaults.rows),
    cols: reader.window('cols', defaults.cols),
    text: reader.window('text', defaults.text),
  };
}
