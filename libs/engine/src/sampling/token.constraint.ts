/**
 * What an answer must keep to, token by token. The engine knows no format: it takes this of whoever asks.
 */
export interface TokenConstraint {
  /** Nothing may follow any more: the answer ends by itself. */
  readonly ended: boolean;
  /** Sets the logits of tokens that may not come next to -Infinity, ids that end the answer among them. @param logits `[vocab]` */
  mask(logits: Float32Array): void;
  /** Goes on with a token that was allowed and ends nothing. Resolves when it is known what may follow. */
  accept(id: number): Promise<void>;
  /** Called once, whatever became of the answer. */
  free(): void;
}
