/** A job cannot be worked on now. It goes back to be tried again, without having used an attempt. */
export class HandBack extends Error {
  override readonly name = 'HandBack';

  constructor(
    readonly delayMs: number,
    reason: string,
  ) {
    super(reason);
  }
}

/** A request leaves the job that it shares with others, and goes on in jobs of its own. Nothing has failed. */
export class GoesAlone extends Error {
  override readonly name = 'GoesAlone';
}
