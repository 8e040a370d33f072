/** One of those that go on together. */
export interface Gathered {
  /** It can go on. Settles when none of the others is missing any more. */
  ready(): Promise<void>;
  /** It ends; nobody waits for it any more. */
  leave(): void;
}

/**
 * Lets those that were begun together go on at one moment: when the last of them is ready, or has left. What they do synchronously
 * from there falls into one turn of the event loop.
 */
export function gather(count: number): readonly Gathered[] {
  let missing = count;
  let open: () => void = () => undefined;
  const all = new Promise<void>((resolve) => (open = resolve));
  return Array.from({ length: count }, () => {
    let isMissing = true;
    const leave = (): void => {
      if (isMissing && --missing === 0) open();
      isMissing = false;
    };
    const ready = (): Promise<void> => {
      leave();
      return all;
    };
    return { ready, leave };
  });
}
