/** The errors of this library. Each carries the numbers that its message names. */

/** An option of a policy is unknown or out of range. */
export class PolicyOptionError extends Error {
  override readonly name = 'PolicyOptionError';

  constructor(
    readonly policy: string,
    /** Dotted path of the option, for instance `pooling.kernel`. */
    readonly option: string,
    readonly expected: string,
    given: unknown,
  ) {
    super(`${policy}: option ${option} must be ${expected}, got ${describe(given)}`);
  }
}

/** No policy has that name. */
export class UnknownPolicyError extends Error {
  override readonly name = 'UnknownPolicyError';

  constructor(
    readonly policy: string,
    readonly known: readonly string[],
  ) {
    super(`unknown eviction policy ${JSON.stringify(policy)}; known: ${known.join(', ')}`);
  }
}

/** The grant is smaller than what the policy must keep of this prompt. */
export class GrantTooSmallError extends Error {
  override readonly name = 'GrantTooSmallError';

  constructor(
    readonly policy: string,
    /** Granted rows a head and layer. */
    readonly tokensPerHead: number,
    /** Needed rows a head and layer. */
    readonly minimumTokensPerHead: number,
    readonly promptTokens: number,
  ) {
    super(
      `${policy}: a grant of ${String(tokensPerHead)} tokens a head and layer is below the minimum of ` +
        `${String(minimumTokensPerHead)} for a prompt of ${String(promptTokens)} tokens`,
    );
  }
}

/** A prompt layout contradicts itself. */
export class PromptLayoutError extends Error {
  override readonly name = 'PromptLayoutError';
}

/** The importance given to a selector has the wrong shape, a value that is no weight, or the wrong layer. */
export class ImportanceError extends Error {
  override readonly name = 'ImportanceError';
}

function describe(value: unknown): string {
  if (typeof value === 'number' || value === undefined) return String(value);
  const json: unknown = JSON.stringify(value);
  return typeof json === 'string' ? json : typeof value;
}
