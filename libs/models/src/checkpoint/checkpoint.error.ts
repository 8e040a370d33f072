/** What can be wrong with a checkpoint folder. */
export type CheckpointErrorCode =
  | 'missing_file'
  | 'bad_json'
  | 'bad_value'
  | 'unknown_architecture'
  | 'unsupported_feature'
  | 'unsupported_rope'
  | 'unsupported_dtype'
  | 'missing_tensor'
  | 'tensor_shape'
  | 'truncated_safetensors'
  | 'bad_safetensors'
  | 'bad_tokenizer'
  | 'bad_template';

/** A checkpoint folder that cannot be used. The message says what is wrong and in which file. */
export class CheckpointError extends Error {
  override readonly name = 'CheckpointError';

  constructor(
    readonly code: CheckpointErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
