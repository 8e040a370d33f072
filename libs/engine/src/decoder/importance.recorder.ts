import type { Observation } from '@madakv/madakv';
import { release, Tensor } from '@madakv/onnx';
import type { Decoder, QueryBlock } from './decoder.js';

/** Floats one block of scores may take; bounds the memory of a scoring run, whatever the prompt's length. */
const MAX_BLOCK_FLOATS = 1 << 24;

/**
 * Records one layer's importance (psi of the paper): the attention of the queries that a policy asked for, weighted and
 * summed, for each key-value head and prompt token.
 */
export class ImportanceRecorder {
  /** Queries to score; their rows are the recorder's to free. */
  private readonly blocks: QueryBlock[] = [];
  /** Queries scored by one run. */
  private readonly blockRows: number;
  /** `[kvHeads, group, tokens]` */
  private sum: Float32Array | undefined;

  constructor(
    private readonly observation: Observation,
    private readonly decoder: Decoder,
    private readonly tokens: number,
  ) {
    this.blockRows = Math.max(1, Math.floor(MAX_BLOCK_FLOATS / (decoder.config.heads * tokens)));
  }

  /** Copies the rows of a chunk `[start, end)` that will be scored. @param q `[end - start, heads * dim]` */
  async collect(q: Tensor, start: number, end: number): Promise<void> {
    const { positions, weights } = this.queries(start, end);
    for (let from = 0; from < positions.length; from += this.blockRows) {
      const part = positions.slice(from, from + this.blockRows);
      this.blocks.push({
        rows: await this.decoder.memory.pickRows(
          q,
          part.map((position) => position - start),
        ),
        positions: Float32Array.from(part),
        weights: weights.slice(from, from + this.blockRows),
      });
    }
  }

  /**
   * Scores the collected queries.
   * @param keys `[kvHeads, rows, dim]`, filled up to the last of them at least; rows behind the prompt's are not looked at
   * @param index `[rows]` at least: 0, 1, 2, ...
   */
  async score(keys: Tensor, index: Float32Array): Promise<void> {
    const filled = keys.dims[1];
    const upTo = new Tensor('float32', index.subarray(0, filled), [filled]);
    if (this.blocks.length > 0) this.addRows(await this.decoder.importance([...this.blocks], keys, upTo), filled);
    this.free();
  }

  /** What was recorded so far: `[kvHeads, group, tokens]`. */
  rows(): Float32Array {
    return this.sum ?? new Float32Array(this.decoder.config.heads * this.tokens);
  }

  /**
   * Adds scores of other queries.
   * @param scores `[kvHeads, group, filled]`; taken over where they are the first and as many
   */
  addRows(scores: Float32Array, filled: number): void {
    const { tokens } = this;
    if (this.sum === undefined && filled === tokens) {
      this.sum = scores;
      return;
    }
    this.sum ??= new Float32Array(this.decoder.config.heads * tokens);
    const shorter = Math.min(filled, tokens);
    for (let head = 0, from = 0; from < scores.length; head++, from += filled) {
      for (let i = 0; i < shorter; i++) this.sum[head * tokens + i] += scores[from + i];
    }
  }

  /** Forgets queries that were not scored. */
  free(): void {
    for (const { rows } of this.blocks.splice(0)) release(rows);
  }

  /**
   * Hands over what was recorded and forgets it.
   * @returns `[kvHeads, tokens]`, empty when the policy observes nothing
   */
  take(): Float32Array {
    const { tokens, sum } = this;
    this.sum = undefined;
    if (sum === undefined) {
      return new Float32Array(this.observation.kind === 'none' ? 0 : this.decoder.config.kvHeads * tokens);
    }
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

  /** The queries of `[start, end)` that the policy asked for. */
  private queries(start: number, end: number): { positions: Int32Array; weights: Float32Array } {
    const { observation } = this;
    switch (observation.kind) {
      case 'none':
        return { positions: new Int32Array(0), weights: new Float32Array(0) };
      case 'all':
        return {
          positions: Int32Array.from({ length: end - start }, (_, i) => start + i),
          weights: new Float32Array(end - start).fill(1),
        };
      case 'queries': {
        const inChunk = (_: number, i: number): boolean =>
          observation.positions[i] >= start && observation.positions[i] < end;
        return {
          positions: observation.positions.filter(inChunk),
          weights: observation.weights.filter(inChunk),
        };
      }
    }
  }
}
