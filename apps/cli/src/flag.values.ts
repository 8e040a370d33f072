import { InvalidArgumentError } from 'commander';

/** A parser of whole numbers of at least `min`, and at most `max`. */
export function wholeNumber(min: number, max = Infinity): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isSafeInteger(value) || value < min || value > max) {
      const range = max === Infinity ? `of at least ${min}` : `from ${min} to ${max}`;
      throw new InvalidArgumentError(`It must be a whole number ${range}.`);
    }
    return value;
  };
}

/** A share of the cache: above 0, at most 1. */
export function ratio(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value > 0 && value <= 1)) {
    throw new InvalidArgumentError('It must be a number above 0 and at most 1.');
  }
  return value;
}

/** A choice of pages: `1-3,7,12-`, each part with a question mark after it where its pages may be missing. */
export function pages(text: string): string {
  const parts = text.split(',').map((part) => part.trim());
  if (parts.every((part) => /^\d{1,9}(\s*-\s*(\d{1,9})?)?\s*\??$/.test(part))) return text;
  throw new InvalidArgumentError('It must be pages and spans like 1-3,7,12-, or 1-3? for what there is of them.');
}

/**
 * Collects `key=value`. Values are JSON where they can be, else text; `pooling.cols=9` sets a key inside of an option.
 */
export function keyValue(text: string, before: Record<string, unknown> = {}): Record<string, unknown> {
  const split = text.indexOf('=');
  if (split < 1) throw new InvalidArgumentError('It must be written key=value.');
  const keys = text.slice(0, split).split('.');
  let inner = before;
  for (const key of keys.slice(0, -1)) {
    const next = inner[key];
    inner = (inner[key] = typeof next === 'object' && next !== null ? next : {}) as Record<string, unknown>;
  }
  inner[keys[keys.length - 1]] = jsonOrText(text.slice(split + 1));
  return before;
}

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
