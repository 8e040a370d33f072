import type { CompiledGrammar, GrammarCompiler as Compiler } from '@mlc-ai/web-xgrammar';
import { GrammarConstraint, UnspeakableError } from './grammar.constraint.js';
import { answerGrammar, type AnswerFormat } from './response.grammar.js';
import { encodedTokens, type TokenVocabulary } from './token.vocabulary.js';
import { Utf8Masks } from './utf8.masks.js';
import { loadXGrammar, type XGrammar } from './xgrammar.library.js';

/** Compiled grammars that are kept, the last ones used. */
const KEPT = 32;

interface Opened {
  readonly library: XGrammar;
  readonly compiler: Compiler;
  readonly utf8: Utf8Masks;
  /** By their text, the one used last at the end. */
  readonly compiled: Map<string, CompiledGrammar>;
}

/**
 * Compiles formats of answers for one vocabulary, on the thread that asks. The library is loaded with the first of them,
 * and anew after it has failed, as its memory is in an unknown state then.
 */
export class GrammarCompiler {
  private opened: Promise<Opened> | undefined;
  private before: Promise<unknown> = Promise.resolve();

  constructor(private readonly vocabulary: TokenVocabulary) {}

  /**
   * A fresh answer of a format. To be freed.
   * @throws SchemaError for one that cannot be honoured; UnspeakableError; Error where the library fails
   */
  constraint(format: AnswerFormat): Promise<GrammarConstraint> {
    // One after the other: a grammar that is dropped is nobody's then.
    const made = this.before.then(() => this.make(answerGrammar(format)));
    this.before = made.catch(() => undefined);
    return made;
  }

  private async make(text: string): Promise<GrammarConstraint> {
    try {
      this.opened ??= open(this.vocabulary);
      const opened = await this.opened;
      const matcher = await opened.library.GrammarMatcher.createGrammarMatcher(await compiledOf(text, opened));
      return await GrammarConstraint.begin(matcher, opened.utf8, this.vocabulary.endIds);
    } catch (cause) {
      if (cause instanceof UnspeakableError) throw cause;
      this.opened = undefined;
      throw new Error('the grammar of the answer could not be compiled', { cause });
    }
  }
}

async function compiledOf(text: string, { compiler, compiled }: Opened): Promise<CompiledGrammar> {
  const grammar = compiled.get(text) ?? (await compiler.compileGrammar(text));
  compiled.delete(text);
  compiled.set(text, grammar);
  for (const [oldest, unused] of compiled) {
    if (compiled.size <= KEPT) break;
    compiled.delete(oldest);
    // Answers under way keep what they need of it.
    unused.dispose();
  }
  return grammar;
}

async function open(vocabulary: TokenVocabulary): Promise<Opened> {
  const library = loadXGrammar();
  const tokens = encodedTokens(vocabulary);
  const info = await library.TokenizerInfo.createTokenizerInfo(tokens, 'byte_level', false, vocabulary.size, [
    ...vocabulary.endIds,
  ]);
  return {
    library,
    // The library's own cache has no bound.
    compiler: await library.GrammarCompiler.createGrammarCompiler(info, false),
    utf8: new Utf8Masks(vocabulary),
    compiled: new Map(),
  };
}
