import { createPolicy, type PromptLayout } from '@madakv/madakv';

export interface SelectBenchOptions {
  readonly tokens: number;
  readonly heads: number;
  readonly layers: number;
  readonly ratio: number;
  readonly policies: readonly string[];
  readonly rounds: number;
}

export interface SelectBenchRow {
  readonly policy: string;
  /** Milliseconds to choose the rows of all layers. */
  readonly medianMs: number;
  readonly keptRows: number;
}

/** Time that policies take to choose what to keep, on random importance. */
export function benchSelect(options: SelectBenchOptions): SelectBenchRow[] {
  const { tokens, heads, layers, ratio } = options;
  const cols = 40;
  const rows = Math.floor((tokens - 32) / cols);
  const layout: PromptLayout = {
    tokens,
    heldBack: 1,
    modalities: ['text', 'visual'],
    modalityOf: new Uint8Array(tokens).fill(1, 0, rows * cols),
    grids: [{ start: 0, rows, cols }],
    question: { start: tokens - 32, end: tokens },
  };
  let state = 1;
  const importance = Float32Array.from({ length: heads * tokens }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return ((state >>> 8) / 2 ** 24) ** 8;
  });
  return options.policies.map((name) => {
    const times: number[] = [];
    let keptRows = 0;
    for (let round = 0; round < options.rounds; round++) {
      const started = performance.now();
      const selector = createPolicy(name).start(layout, { layers, heads }, { tokensPerHead: ratio * tokens });
      keptRows = 0;
      for (let layer = 0; layer < layers; layer++) keptRows += selector.select(layer, importance).rows;
      times.push(performance.now() - started);
    }
    times.sort((a, b) => a - b);
    return { policy: name, medianMs: times[times.length >> 1], keptRows };
  });
}
