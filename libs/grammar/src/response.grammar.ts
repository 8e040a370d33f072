import { objectGrammar, schemaGrammar } from './schema.grammar.js';
import type { Schema } from './schema.keywords.js';
import { checkStrict } from './strict.rules.js';

/** What an answer has to be. */
export type AnswerFormat =
  | { readonly kind: 'json_object' }
  /** `strict`: the schema keeps to OpenAI's rules for it. It is obeyed either way. */
  | { readonly kind: 'json_schema'; readonly schema: Schema; readonly strict: boolean };

/**
 * The grammar of an answer, in xgrammar's EBNF.
 * @throws SchemaError
 */
export function answerGrammar(format: AnswerFormat): string {
  if (format.kind === 'json_object') return objectGrammar();
  const grammar = schemaGrammar(format.schema);
  if (format.strict) checkStrict(format.schema);
  return grammar;
}
