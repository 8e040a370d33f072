/**
 * Watches streamed text for stop strings. Text that may be the beginning of one is held back until it is known not to
 * be, so a stop string is never emitted, not even in part.
 */
export class StopMatcher {
  private held = '';
  private found: string | undefined;

  constructor(private readonly stops: readonly string[]) {}

  /** The stop string that ended the text, if one did. */
  get matched(): string | undefined {
    return this.found;
  }

  /** @returns the text that may be emitted now; once a stop string has matched, nothing more */
  push(text: string): string {
    if (this.found !== undefined) return '';
    const all = this.held + text;
    const at = this.firstStop(all);
    if (at !== undefined) {
      this.found = at.stop;
      this.held = '';
      return all.slice(0, at.index);
    }
    const keep = this.longestPrefixAtEnd(all);
    this.held = all.slice(all.length - keep);
    return all.slice(0, all.length - keep);
  }

  /** @returns what was held back, when the text ends without a stop string */
  flush(): string {
    const rest = this.held;
    this.held = '';
    return rest;
  }

  /** The stop string that is complete first; of several that end together, the longest. So nothing depends on how the text was cut. */
  private firstStop(text: string): { index: number; stop: string } | undefined {
    let first: { index: number; end: number; stop: string } | undefined;
    for (const stop of this.stops) {
      const index = text.indexOf(stop);
      const end = index + stop.length;
      if (index < 0 || (first !== undefined && (end > first.end || (end === first.end && index > first.index))))
        continue;
      first = { index, end, stop };
    }
    return first;
  }

  /** Length of the longest end of `text` that begins some stop string. */
  private longestPrefixAtEnd(text: string): number {
    let longest = 0;
    for (const stop of this.stops) {
      for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
        if (text.endsWith(stop.slice(0, length))) longest = length;
      }
    }
    return longest;
  }
}
