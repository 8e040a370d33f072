import type { Observation } from '@madakv/madakv';
import type { Tensor } from '@madakv/onnx';
import type { PromptBuffer } from '../kv/prompt.buffer.js';
import type { Decoder } from './decoder.js';

/** Floats one block of scores may take; bounds the memory of a scoring run, whatever the prompt's length. */
const MAX_BLOCK_FLOATS = 1 << 24;

/**
 * Records one layer's importance (psi of the paper): the attention of the queries that a policy asked for, weighted and
 * summed, for each key-value head and prompt token.
 */
export class ImportanceRecorder {
  private queries: { readonly row: Float32Array; readonly position: number; readonly weight: number }[] = [];
  /** `[kvHeads, group, tokens]` */
  private sum: Float32Array | undefined;

  constructor(
    private readonly observation: Observation,
    private readonly decoder: Decoder,
  ) {}

  /** Keeps the rows of a chunk `[start, end)` that will be scored. @param q `[end - start, heads * dim]` */
  collect(q: Float32Array, start: number, end: number): void {
    const width = this.decoder.queryWidth;
    const keep = (position: number, weight: number): void => {
      const row = q.slice((position - start) * width, (position - start + 1) * width);
      this.queries.push({ row, position, weight });
    };
    if (this.observation.kind === 'all') for (let position = start; position < end; position++) keep(position, 1);
    if (this.observation.kind !== 'queries') return;
    const { positions, weights } = this.observation;
    positions.forEach((position, i) => {
      if (position >= start && position < end) keep(position, weights[i]);
    });
  }

  /** Scores the collected queries against the keys in `buffer`, which must reach to the last of them. */
  async score(buffer: PromptBuffer, index: Tensor): Promise<void> {
    const { heads } = this.decoder.config;
    const tokens = index.dims[0];
    const width = this.decoder.queryWidth;
    const block = Math.max(1, Math.floor(MAX_BLOCK_FLOATS / (heads * tokens)));
    for (let start = 0; start < this.queries.length; start += block) {
      const part = this.queries.slice(start, start + block);
      const rows = new Float32Array(part.length * width);
      part.forEach(({ row }, i) => {
        rows.set(row, i * width);
      });
      const scores = await this.decoder.importance(
        rows,
        Int32Array.from(part, ({ position }) => position),
        Float32Array.from(part, ({ weight }) => weight),
        buffer.allKeys(),
        index,
      );
      this.add(scores);
    }
    this.queries = [];
  }

  /**
   * Hands over what was recorded and forgets it.
   * @returns `[kvHeads, tokens]`, empty when the policy observes nothing
   */
  take(tokens: number): Float32Array {
    const sum = this.sum;
    this.sum = undefined;
    if (sum === undefined)
      return new Float32Array(this.observation.kind === 'none' ? 0 : this.decoder.config.kvHeads * tokens);
    const { heads, kvHeads } = this.decoder.config;
    const group = heads / kvHeads;
    const largest = this.observation.kind === 'queries' && this.observation.groupReduction === 'max';
    const result = new Float32Array(kvHeads * tokens);
    for (let head = 0; head < kvHeads; head++) {
      const target = result.subarray(head * tokens, (head + 1) * tokens);
      for (let member = 0; member < group; member++) {
        const at = (head * group + member) * tokens;
        if (largest) for (let i = 0; i < tokens; i++) target[i] = Math.max(target[i], sum[at + i]);
        else for (let i = 0; i < tokens; i++) target[i] += sum[at + i];
      }
    }
    return result;
  }

  private add(scores: Float32Array): void {
    if (this.sum === undefined) {
      this.sum = scores;
      return;
    }
    for (let i = 0; i < scores.length; i++) this.sum[i] += scores[i];
  }
}
