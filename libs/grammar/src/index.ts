/**
 * JSON schemas to grammars, and grammars to the tokens that may come next.
 *
 * `answerGrammar` checks a format and needs nothing else; `GrammarCompiler` makes constraints of it for one tokenizer, with xgrammar.
 */
export { GrammarCompiler } from './grammar.compiler.js';
export { UnspeakableError, type GrammarConstraint } from './grammar.constraint.js';
export { patternMatcher } from './pattern.matcher.js';
export { answerGrammar, type AnswerFormat } from './response.grammar.js';
export { SchemaError, type SchemaPath } from './schema.error.js';
export { isObject, isSchema, KEYWORDS, type Keyword, type Schema } from './schema.keywords.js';
export { SCHEMA_LIMITS } from './schema.limits.js';
export { resolve as resolveReference } from './schema.references.js';
export type { TokenVocabulary } from './token.vocabulary.js';
