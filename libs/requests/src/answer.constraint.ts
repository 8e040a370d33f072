import { MadakvError } from '@madakv/contracts';
import type { TokenConstraint } from '@madakv/engine';
import { GrammarCompiler, UnspeakableError, type AnswerFormat } from '@madakv/grammar';
import type { OpenModel } from '@madakv/models';

const compilers = new WeakMap<OpenModel, GrammarCompiler>();

/**
 * What an answer of this format must keep to, for the engine, which frees it. Formats are compiled once for a model: some 100 ms with
 * the first one, then milliseconds for each that is new.
 * @throws MadakvError `invalid_request` where the model's vocabulary cannot spell what the format asks for
 */
export async function answerConstraint(model: OpenModel, format: AnswerFormat): Promise<TokenConstraint> {
  const compiler = compilers.get(model) ?? compilerFor(model);
  compilers.set(model, compiler);
  try {
    return await compiler.constraint(format);
  } catch (cause) {
    throw asUnspeakable(cause) ?? cause;
  }
}

/** The error of a request whose answer could not go on under its constraint; undefined for any other error. */
export function asUnspeakable(cause: unknown): MadakvError | undefined {
  if (!(cause instanceof UnspeakableError)) return undefined;
  return new MadakvError('invalid_request', `response_format: ${cause.message}`, { param: 'response_format', cause });
}

function compilerFor({ config, tokenizer }: OpenModel): GrammarCompiler {
  return new GrammarCompiler({
    size: config.decoder.vocabSize,
    endIds: config.tokens.eos,
    bytes: (id) => (tokenizer.isSpecial(id) ? new Uint8Array(0) : tokenizer.tokenBytes(id)),
  });
}
