import { SchemaError } from './schema.error.js';
import { SCHEMA_LIMITS } from './schema.limits.js';

/** An expression in xgrammar's EBNF; what is joined by `|` stands in parentheses. */
export type Expression = string;

/** Nothing at all. */
export const EMPTY: Expression = '""';

/** @returns an expression for exactly this text. It must not have halves of surrogate pairs, nor control characters but \n. */
export function literal(text: string): Expression {
  const escaped = text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
  return `"${escaped}"`;
}

export function sequence(...parts: readonly Expression[]): Expression {
  const written = parts.filter((part) => part !== EMPTY);
  return written.length === 0 ? EMPTY : written.join(' ');
}

export function oneOf(alternatives: readonly Expression[]): Expression {
  return alternatives.length === 1 ? alternatives[0] : `(${alternatives.join(' | ')})`;
}

export function optional(part: Expression): Expression {
  return `(${part})?`;
}

/** @param most absent: any number */
export function repeated(part: Expression, least: number, most?: number): Expression {
  if (most === 0) return EMPTY;
  if (least === 1 && most === 1) return part;
  return `(${part}){${least},${most ?? ''}}`;
}

/** A JSON string with this inside. */
export function quoted(content: Expression): Expression {
  return sequence(literal('"'), content, literal('"'));
}

/** Any of these ASCII characters; the library reads ranges beyond ASCII as bytes. */
export function oneOfCharacters(codes: readonly number[]): Expression {
  return `[${ranges(codes)}]`;
}

/** Any character, ASCII or not, but these ASCII ones. What is no UTF-8 is not excluded by it. */
export function noneOfCharacters(codes: readonly number[]): Expression {
  return `[^${ranges(codes)}]`;
}

function ranges(codes: readonly number[]): string {
  const sorted = [...new Set(codes)].sort((a, b) => a - b);
  let written = '';
  for (let start = 0; start < sorted.length;) {
    let end = start;
    while (end + 1 < sorted.length && sorted[end + 1] === sorted[end] + 1) end++;
    written += hex(sorted[start]) + (end > start ? `-${hex(sorted[end])}` : '');
    start = end + 1;
  }
  return written;
}

function hex(code: number): string {
  return `\\x${code.toString(16).padStart(2, '0')}`;
}

/** The rules of a grammar as they come up. Each is written once. Limits are kept while it is written: what is too large costs no more than what is not. */
export class GrammarText {
  private readonly rules = new Map<string, Expression>();
  private count = 0;
  private bytes = 0;
  private places = 0;
  private steps = 0;

  /** @throws SchemaError beyond the limit of places where many letters may come next */
  addOpenPlaces(count: number): void {
    this.places += count;
    if (this.places <= SCHEMA_LIMITS.openPlaces) return;
    throw new SchemaError(
      [],
      `has too many places for letters in patterns, bounded strings and open objects; at most ${SCHEMA_LIMITS.openPlaces} are allowed`,
    );
  }

  /** Counts the work of patterns and ranges. @throws SchemaError beyond its limit, so that none holds up who else waits */
  spend(steps: number): void {
    this.steps += steps;
    if (this.steps <= SCHEMA_LIMITS.steps) return;
    throw new SchemaError(
      [],
      `has patterns and limits of numbers that take too much work; at most ${SCHEMA_LIMITS.steps} steps are allowed`,
    );
  }

  /** Adds a rule. @returns its name, which is an expression */
  add(body: Expression): Expression {
    const name = this.reserve();
    this.define(name, body);
    return name;
  }

  /** A name for a rule that refers to itself, to be defined later. */
  reserve(): Expression {
    return `r${this.count++}`;
  }

  /** @throws SchemaError beyond the limit of the whole grammar */
  define(name: Expression, body: Expression): void {
    this.rules.set(name, body);
    this.bytes += Buffer.byteLength(body);
    if (this.bytes > SCHEMA_LIMITS.grammarBytes) {
      throw new SchemaError(
        [],
        `becomes a grammar of more than the ${SCHEMA_LIMITS.grammarBytes} bytes that are allowed`,
      );
    }
  }

  /** A rule that many refer to: made by the first one. */
  shared(name: string, body: () => Expression): Expression {
    if (!this.rules.has(name)) {
      this.rules.set(name, EMPTY);
      this.define(name, body());
    }
    return name;
  }

  /** All of it, beginning with `root`. */
  text(root: Expression): string {
    return [`root ::= ${root}`, ...[...this.rules].map(([name, body]) => `${name} ::= ${body}`)].join('\n') + '\n';
  }
}
