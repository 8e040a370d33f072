import {
  EMPTY,
  literal,
  oneOf,
  optional,
  repeated,
  sequence,
  type Expression,
  type GrammarText,
} from './grammar.text.js';
import type { JsonText } from './json.text.grammar.js';
import { otherNames } from './property.names.js';

export interface Member {
  readonly name: string;
  readonly value: Expression;
  readonly required: boolean;
}

/** Members in their order, some of which may be left out. @param others what members of other names hold, if there may be any */
export function objectExpression(
  members: readonly Member[],
  others: Expression | undefined,
  grammar: GrammarText,
  json: JsonText,
): Expression {
  const names = members.map(({ name }) => name);
  const other =
    others === undefined ? undefined : sequence(otherNames(names, grammar), literal(':'), json.space, others);
  // What may follow where nothing was written yet, and where something was: built from the end.
  let atFirst = other === undefined ? EMPTY : grammar.add(optional(json.list(other, 1)));
  let later =
    other === undefined ? json.space : grammar.add(sequence(repeated(sequence(json.comma, other), 0), json.space));
  for (const { name, value, required } of [...members].reverse()) {
    const member = grammar.add(json.member(name, value));
    const [written, afterComma] = [sequence(member, later), sequence(json.comma, member, later)];
    atFirst = grammar.add(required ? written : oneOf([written, atFirst]));
    later = grammar.add(required ? afterComma : oneOf([afterComma, later]));
  }
  return sequence(literal('{'), json.space, atFirst, literal('}'));
}
