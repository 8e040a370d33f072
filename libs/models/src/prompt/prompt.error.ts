export type PromptErrorCode = 'template_refused' | 'image_count' | 'placeholder_count';

/** A request that cannot be turned into a prompt: the caller's mistake, not the checkpoint's. */
export class PromptError extends Error {
  override readonly name = 'PromptError';

  constructor(
    readonly code: PromptErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
