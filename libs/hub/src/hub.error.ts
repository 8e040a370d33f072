/** What can keep a model of the hub from being had. docs/models.md says of each what to do. */
export type HubErrorCode =
  /** Not `org/name` or `org/name@revision`. */
  | 'bad_reference'
  /** The repository's owner decides who may read it, and this token may not. */
  | 'gated'
  /** The hub does not know the token. */
  | 'bad_token'
  /** No such repository, or a private one that this token may not see: the hub does not tell which. */
  | 'not_found'
  | 'no_such_revision'
  | 'rate_limited'
  /** No network, or a hub that does not answer. */
  | 'unreachable'
  /** HF_HUB_OFFLINE, and not in the cache. */
  | 'not_cached'
  /** The repository holds nothing that can be loaded. */
  | 'no_weights'
  | 'no_space'
  /** What came is not what the hub said it would be. */
  | 'changed'
  /** An answer that no hub gives. */
  | 'bad_answer'
  /** Another process took over what this one was pulling. */
  | 'lock_lost'
  /** The cache folder cannot be written to. */
  | 'cache_unusable';

/** A model that cannot be had from the hub. The message says what is wrong and what to do. */
export class HubError extends Error {
  override readonly name = 'HubError';

  constructor(
    readonly code: HubErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
