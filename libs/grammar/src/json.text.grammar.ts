import {
  EMPTY,
  literal,
  noneOfCharacters,
  oneOf,
  oneOfCharacters,
  optional,
  quoted,
  repeated,
  sequence,
  type Expression,
  type GrammarText,
} from './grammar.text.js';

/** Digits of a number: more would be lost in a double, and a model may not come to an end. */
export const NUMBER_DIGITS = 15;
/** Spaces that a line may be indented by. */
const INDENT = 32;

/** Characters up to which a string's length is counted rule by rule: the faster way at every step, and the slower one to compile. */
const COUNTED = 50;
/** What a longer string of bounded length costs to compile, in places of a pattern. */
const PLACES_OF_LENGTHS = 4;

const codesOf = (text: string): number[] => Array.from(text, (character) => character.charCodeAt(0));
const CONTROLS = Array.from({ length: 0x20 }, (_, code) => code);
const HEX = oneOfCharacters(codesOf('0123456789abcdefABCDEF'));

export const DIGIT = oneOfCharacters(codesOf('0123456789'));

/** JSON's texts (RFC 8259) as expressions, each a rule that is written when it is first asked for. */
export class JsonText {
  constructor(private readonly grammar: GrammarText) {}

  /**
   * What may stand between tokens: nothing, a space, or a new line with its indentation. Less than JSON allows, as a model
   * that has lost its way goes on with white space for ever.
   */
  get space(): Expression {
    return this.grammar.shared('space', () =>
      optional(oneOf([literal(' '), sequence(literal('\n'), repeated(oneOfCharacters(codesOf(' \t')), 0, INDENT))])),
    );
  }

  /** One character of a string as JSON writes it. Halves of surrogate pairs cannot be written. */
  get character(): Expression {
    return this.grammar.shared('character', () =>
      oneOf([noneOfCharacters([...CONTROLS, ...codesOf('"\\')]), sequence(literal('\\'), this.escape)]),
    );
  }

  /** What stands behind a backslash. */
  private get escape(): Expression {
    return this.grammar.shared('escape', () => {
      const [any, surrogate] = [codesOf('0123456789abcefABCEF'), codesOf('dD')];
      return oneOf([
        oneOfCharacters(codesOf('"\\/bfnrt')),
        sequence(
          literal('u'),
          oneOf([
            sequence(oneOfCharacters(any), HEX, HEX, HEX),
            sequence(oneOfCharacters(surrogate), oneOfCharacters(codesOf('01234567')), HEX, HEX),
          ]),
        ),
      ]);
    });
  }

  /** @param most absent: any number of characters */
  string(least = 0, most?: number): Expression {
    if (Math.max(least, most ?? 0) <= COUNTED) return sequence(literal('"'), this.rest(least, most));
    return this.grammar.shared(`string_${least}_${most ?? ''}`, () => {
      this.grammar.addOpenPlaces(PLACES_OF_LENGTHS);
      return quoted(repeated(this.character, least, most));
    });
  }

  /**
   * What follows in a string, with the quote that ends it: a character and the rest of the rest. So it is known from compiling
   * what a token of many letters does, where a repetition has to be tried with every such token at every step.
   */
  private rest(least: number, most: number | undefined): Expression {
    const name = `rest_${least}_${most ?? ''}`;
    return this.grammar.shared(name, () => {
      if (least > 0 || most !== undefined) this.grammar.addOpenPlaces(1);
      if (most === 0) return literal('"');
      const [fewer, room] = [Math.max(0, least - 1), most === undefined ? undefined : most - 1];
      const further = fewer === least && room === most ? name : this.rest(fewer, room);
      return oneOf([
        ...(least === 0 ? [literal('"')] : []),
        sequence(noneOfCharacters([...CONTROLS, ...codesOf('"\\')]), further),
        sequence(literal('\\'), this.escape, further),
      ]);
    });
  }

  get number(): Expression {
    return this.grammar.shared('number', () => {
      const exponent = sequence(
        oneOfCharacters(codesOf('eE')),
        optional(oneOfCharacters(codesOf('+-'))),
        repeated(DIGIT, 1, 2),
      );
      return sequence(
        this.integer,
        optional(sequence(literal('.'), repeated(DIGIT, 1, NUMBER_DIGITS))),
        optional(exponent),
      );
    });
  }

  get integer(): Expression {
    return this.grammar.shared('integer', () => {
      const first = oneOfCharacters(codesOf('123456789'));
      return sequence(
        optional(literal('-')),
        oneOf([literal('0'), sequence(first, repeated(DIGIT, 0, NUMBER_DIGITS - 1))]),
      );
    });
  }

  get boolean(): Expression {
    return oneOf([literal('true'), literal('false')]);
  }

  get null(): Expression {
    return literal('null');
  }

  /** Any value. */
  get value(): Expression {
    return this.grammar.shared('value', () =>
      oneOf([
        this.object,
        this.array(
          this.grammar.shared('value', () => EMPTY),
          0,
        ),
        this.string(),
        this.number,
        this.boolean,
        this.null,
      ]),
    );
  }

  /** Any object. */
  get object(): Expression {
    return this.grammar.shared('object', () => {
      const member = sequence(this.string(), literal(':'), this.space, this.value);
      return sequence(literal('{'), this.space, optional(this.list(member, 1)), literal('}'));
    });
  }

  /** An array of `least` to `most` of these. */
  array(item: Expression, least: number, most?: number): Expression {
    const items = most === 0 ? EMPTY : this.list(item, Math.max(1, least), most);
    return sequence(literal('['), this.space, least === 0 ? optional(items) : items, literal(']'));
  }

  /** An array of these, one of each, and of further items where there may be some. */
  tuple(
    items: readonly Expression[],
    further?: { readonly item: Expression; readonly least: number; readonly most: number | undefined },
  ): Expression {
    if (items.length === 0) {
      return further === undefined
        ? this.array(this.null, 0, 0)
        : this.array(further.item, further.least, further.most);
    }
    const first = items.flatMap((item, i) => (i === 0 ? [item] : [this.comma, item]));
    const rest =
      further === undefined ? EMPTY : repeated(sequence(this.comma, further.item), further.least, further.most);
    return sequence(literal('['), this.space, ...first, rest, this.space, literal(']'));
  }

  /** At least one, with commas between them and the white space that ends them. */
  list(item: Expression, least: number, most?: number): Expression {
    const further = repeated(sequence(this.comma, item), least - 1, most === undefined ? undefined : most - 1);
    return sequence(item, further, this.space);
  }

  get comma(): Expression {
    return sequence(literal(','), this.space);
  }

  /** A member of an object that has this name. */
  member(name: string, value: Expression): Expression {
    return sequence(this.constant(name), literal(':'), this.space, value);
  }

  /** Exactly this value, written as JSON.stringify does. */
  constant(value: unknown): Expression {
    return literal(constantText(value));
  }
}

/** The separators of lines and paragraphs never stand in an answer as they are, so constants write them out. */
export function constantText(value: unknown): string {
  return JSON.stringify(value).replace(/[\u2028\u2029]/g, (separator) => `\\u${separator.charCodeAt(0).toString(16)}`);
}
