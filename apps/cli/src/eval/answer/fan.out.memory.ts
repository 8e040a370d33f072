import type { KvMemory, LayerCache, Projections, PromptBuffer } from '@madakv/engine';
import type { LayerSelection, LayerSelector } from '@madakv/madakv';
import type { Tensor } from '@madakv/onnx';

/**
 * Lets several selectors evict one prefill. What passes through a layer does not depend on what is kept of the layers before
 * it, so one pass serves all selectors that watch the same attention: each gets caches of its own from the same full layer.
 */
export class FanOut implements LayerSelector {
  /** `[selectors][layers]` */
  readonly selections: LayerSelection[][];
  /** `[selectors][layers]` */
  readonly caches: LayerCache[][];

  constructor(private readonly selectors: readonly LayerSelector[]) {
    this.selections = selectors.map(() => []);
    this.caches = selectors.map(() => []);
  }

  /** Asks every selector; what the first keeps stands for all. */
  select(layer: number, importance: Float32Array): LayerSelection {
    this.selectors.forEach((selector, i) => this.selections[i].push(selector.select(layer, importance)));
    return this.selections[0][layer];
  }

  /** Wraps the memory that caches are made in. */
  over(memory: KvMemory): KvMemory {
    return {
      newPromptBuffer: (tokens, ledger) => this.wrap(memory.newPromptBuffer(tokens, ledger)),
      attend: (fresh, caches) => memory.attend(fresh, caches),
      pickRows: (matrix, rows) => memory.pickRows(matrix, rows),
    };
  }

  /** Frees all caches; those that were freed already stay so. */
  free(): void {
    for (const caches of this.caches) for (const cache of caches) cache.free();
  }

  private wrap(buffer: PromptBuffer): PromptBuffer {
    return {
      attend: (chunk: Projections): Promise<Tensor> => buffer.attend(chunk),
      append: (chunk) => buffer.append(chunk),
      allKeys: () => buffer.allKeys(),
      reset: () => {
        buffer.reset();
      },
      free: () => {
        buffer.free();
      },
      evict: async () => {
        const layer = this.caches[0].length;
        for (const [i, own] of this.caches.entries()) own.push(await buffer.evict(this.selections[i][layer]));
        return this.caches[0][layer];
      },
    };
  }
}
