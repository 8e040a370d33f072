import { PolicyOptionError } from './errors.js';
import type { Window } from './window.js';

/** What `createPolicy` is given: names to values, from code, JSON or a command line. */
export type RawOptions = Readonly<Record<string, unknown>>;

interface NumberRange {
  readonly min?: number;
  readonly max?: number;
  /** The value must be above this, not equal to it. */
  readonly above?: number;
  readonly integer?: boolean;
}

/**
 * Reads the named options of a policy, each with its default; the first bad one throws a `PolicyOptionError` that names
 * it and what was expected. `done` throws on options nobody asked for.
 */
export class OptionReader {
  private readonly known = new Set<string>();
  private readonly values: RawOptions;

  constructor(
    private readonly policy: string,
    values: unknown,
    private readonly path = '',
  ) {
    if (values !== undefined && !isRecord(values)) this.fail('', 'an object', values);
    this.values = isRecord(values) ? values : {};
  }

  number(name: string, fallback: number, range: NumberRange = {}): number {
    const value = this.read(name);
    if (value === undefined) return fallback;
    if (!isWithin(value, range)) this.fail(name, describeRange(range), value);
    return value;
  }

  boolean(name: string, fallback: boolean): boolean {
    const value = this.read(name);
    if (value === undefined) return fallback;
    if (typeof value !== 'boolean') this.fail(name, 'true or false', value);
    return value;
  }

  choice<T extends string>(name: string, fallback: T, choices: readonly T[]): T {
    const value = this.read(name);
    if (value === undefined) return fallback;
    const found = choices.find((choice) => choice === value);
    if (found === undefined) this.fail(name, `one of ${choices.join(', ')}`, value);
    return found;
  }

  text(name: string, fallback: string): string {
    const value = this.read(name);
    if (value === undefined) return fallback;
    if (typeof value !== 'string' || value === '') this.fail(name, 'a name', value);
    return value;
  }

  /** A word out of `choices`, or a number. */
  choiceOrNumber<T extends string>(
    name: string,
    fallback: T | number,
    choices: readonly T[],
    range: NumberRange,
  ): T | number {
    const value = this.read(name);
    if (value === undefined) return fallback;
    const found = choices.find((choice) => choice === value);
    if (found !== undefined) return found;
    if (!isWithin(value, range)) this.fail(name, `one of ${choices.join(', ')}, or ${describeRange(range)}`, value);
    return value;
  }

  /** A window of cells: an odd number, centred, or `{before, after}`. */
  window(name: string, fallback: Window): Window {
    const value = this.read(name);
    if (value === undefined) return fallback;
    const whole = { integer: true, min: 0, max: 1024 };
    if (isWithin(value, whole) && value % 2 === 1) return centred(value);
    if (isRecord(value) && Object.keys(value).every((key) => key === 'before' || key === 'after')) {
      const { before = 0, after = 0 } = value;
      if (isWithin(before, whole) && isWithin(after, whole)) return { before, after };
    }
    return this.fail(name, 'an odd number of cells up to 1023, or {before, after} of 0 to 1024 cells each', value);
  }

  /** A reader of the options inside an option. */
  child(name: string): OptionReader {
    return new OptionReader(this.policy, this.read(name), this.pathOf(name));
  }

  /** The raw value, for options with a form of their own. */
  read(name: string): unknown {
    this.known.add(name);
    return this.values[name];
  }

  fail(name: string, expected: string, given: unknown): never {
    throw new PolicyOptionError(this.policy, this.pathOf(name), expected, given);
  }

  /** @throws {PolicyOptionError} when an option was given that nobody read. */
  done(): void {
    for (const name of Object.keys(this.values)) {
      if (this.known.has(name)) continue;
      const known = [...this.known].join(', ');
      this.fail(
        name,
        known === '' ? 'left out: there are no options here' : `left out; options here: ${known}`,
        this.values[name],
      );
    }
  }

  private pathOf(name: string): string {
    return [this.path, name].filter((part) => part !== '').join('.') || 'options';
  }
}

/** A window of `width` cells around its cell; `width` is odd. */
export function centred(width: number): Window {
  return { before: (width - 1) / 2, after: (width - 1) / 2 };
}

export function isRecord(value: unknown): value is RawOptions {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
}

function isWithin(value: unknown, { min, max, above, integer }: NumberRange): value is number {
  if (typeof value !== 'number' || !Number.isFinite(value)) return false;
  if (integer === true && !Number.isInteger(value)) return false;
  return value >= (min ?? -Infinity) && value <= (max ?? Infinity) && value > (above ?? -Infinity);
}

function describeRange({ min, max, above, integer }: NumberRange): string {
  const bounds = [
    above === undefined ? '' : `above ${above}`,
    min === undefined ? '' : `at least ${min}`,
    max === undefined ? '' : `at most ${max}`,
  ].filter((bound) => bound !== '');
  return [integer === true ? 'a whole number' : 'a number', bounds.join(' and ')]
    .filter((part) => part !== '')
    .join(' ');
}
