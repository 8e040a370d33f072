/** Thrown by the work on a job that shall be tried again later without using up an attempt. */
export class HandBack extends Error {
  override readonly name = 'HandBack';

  constructor(
    readonly delayMs: number,
    reason: string,
  ) {
    super(reason);
  }
}
