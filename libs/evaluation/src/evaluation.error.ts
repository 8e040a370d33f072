/** What the caller chose that cannot be measured. */
export type EvaluationErrorCode =
  /** A set to take part that the data do not have. */
  | 'unknown_set'
  /** A set to be judged in another way that does not take part. */
  | 'unknown_scored_set'
  /** A name that stands for two variants. */
  | 'variant_name_taken'
  /** The folder has a run that measures something else. */
  | 'other_settings'
  /** The folder has no run, or one that cannot be read. */
  | 'unreadable_run'
  /** A policy or ratio to be reported on that was not run. */
  | 'not_in_run'
  /** Prompt and answer need more positions than the model has. */
  | 'question_too_long'
  /** A question that the data do not have. */
  | 'unknown_question'
  /** An id that questions of several sets have. */
  | 'ambiguous_question'
  /** A request that is too short to be calibrated on at a ratio. */
  | 'request_too_short';

/** The caller's mistake. The message names what was given and what there is; how to choose otherwise is the caller's to say. */
export class EvaluationError extends Error {
  override readonly name = 'EvaluationError';

  constructor(
    readonly code: EvaluationErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
