/** Reads rows of the embedding matrix from the checkpoint as they are needed; the matrix is never held in memory. */
export class EmbeddingTable {
  constructor(
    readonly hiddenSize: number,
    readonly vocabSize: number,
    private readonly readRow: (id: number, into: Float32Array) => void,
  ) {}

  /**
   * @returns `[ids, hiddenSize]`
   * @throws RangeError for an id outside of the vocabulary
   */
  rows(ids: Int32Array): Float32Array {
    const rows = new Float32Array(ids.length * this.hiddenSize);
    const seen = new Map<number, number>();
    ids.forEach((id, row) => {
      if (id < 0 || id >= this.vocabSize) {
        throw new RangeError(`token id ${id} is outside of the vocabulary of ${this.vocabSize}`);
      }
      const at = row * this.hiddenSize;
      const known = seen.get(id);
      if (known === undefined) {
        this.readRow(id, rows.subarray(at, at + this.hiddenSize));
        seen.set(id, at);
      } else {
        rows.copyWithin(at, known, known + this.hiddenSize);
      }
    });
    return rows;
  }
}
