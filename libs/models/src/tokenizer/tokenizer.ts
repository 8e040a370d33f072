import * as library from '@huggingface/tokenizers';
import { CheckpointError } from '../checkpoint/checkpoint.error.js';
import type { CheckpointFolder } from '../checkpoint/checkpoint.folder.js';
import { withAllNumerals } from './digit.steps.js';
import { Detokenizer, type TokenPiece } from './detokenizer.js';
import { TextShield, withoutMarks } from './text.shield.js';
import { readSpelling, spell, type Spelling } from './token.pieces.js';
import { readTokenizerFiles, tokenText, type TokenizerSettings } from './tokenizer.file.js';

/** The part of the library used here; its own declarations lack the file extensions that Node's resolution asks for. */
interface Pipeline {
  encode(text: string, options: { add_special_tokens: boolean }): { ids: number[] };
  token_to_id(token: string): number | undefined;
}

const { Tokenizer: PipelineOf } = library as unknown as {
  Tokenizer: new (file: object, settings: object) => Pipeline;
};

export interface EncodeOptions {
  /** Whether the tokenizer's own rule adds tokens such as `<s>`. Default: true. */
  addSpecial?: boolean;
}

export interface DecodeOptions {
  /** Default: true. */
  skipSpecial?: boolean;
}

/** Special tokens by the names chat templates know them by. */
export type SpecialTokens = Partial<Record<'bos_token' | 'eos_token' | 'pad_token' | 'unk_token', string>>;

/** Text to ids and back, as tokenizer.json and tokenizer_config.json say. */
export class Tokenizer {
  readonly specialTokens: SpecialTokens;

  private constructor(
    private readonly pipeline: Pipeline,
    private readonly tokens: ReadonlyMap<number, string>,
    private readonly specialIds: ReadonlySet<number>,
    private readonly spelling: Spelling,
    private readonly textShield: TextShield,
    settings: TokenizerSettings,
  ) {
    this.specialTokens = specialTokens(settings);
  }

  /** @throws CheckpointError `missing_file`, `bad_json`, `bad_value`, `bad_tokenizer` */
  static open(folder: CheckpointFolder): Tokenizer {
    const { file, settings } = readTokenizerFiles(folder);
    const where = folder.path('tokenizer.json');
    const tokens = new Map(Object.entries(file.model.vocab).map(([token, id]) => [id, token]));
    for (const { id, content } of file.added_tokens) tokens.set(id, content);
    const special = file.added_tokens.filter((token) => token.special).map((token) => token.id);
    const spelling = readSpelling(file.decoder, where);
    try {
      const pipeline = new PipelineOf(withoutMarks(withAllNumerals(file)), settings);
      return new Tokenizer(pipeline, tokens, new Set(special), spelling, new TextShield(file), settings);
    } catch (cause) {
      throw new CheckpointError('bad_tokenizer', `${where}: ${(cause as Error).message}`, { cause });
    }
  }

  encode(text: string, { addSpecial = true }: EncodeOptions = {}): number[] {
    return this.pipeline.encode(text, { add_special_tokens: addSpecial }).ids;
  }

  /** The same text, marked so that `encode` finds no added token in it, special or not, but only its characters. */
  shield(text: string): string {
    return this.textShield.shield(text);
  }

  /** A text that contains shielded ones, without their marks. */
  unshield(text: string): string {
    return this.textShield.unshield(text);
  }

  /** Ids without an entry, such as padding of the embedding matrix, say nothing. */
  decode(ids: Iterable<number>, options: DecodeOptions = {}): string {
    const detokenizer = this.detokenizer(options);
    let text = '';
    for (const id of ids) text += detokenizer.push(id);
    return text + detokenizer.flush();
  }

  /** For text that appears token by token. */
  detokenizer({ skipSpecial = true }: DecodeOptions = {}): Detokenizer {
    return new Detokenizer((id) => (skipSpecial && this.specialIds.has(id) ? undefined : this.piece(id)), this.spelling.stripped);
  }

  /** The entry of the vocabulary as it is written there. */
  token(id: number): string | undefined {
    return this.tokens.get(id);
  }

  id(token: string): number | undefined {
    return this.pipeline.token_to_id(token);
  }

  isSpecial(id: number): boolean {
    return this.specialIds.has(id);
  }

  /** UTF-8 of what one token stands for, possibly a part of a character (`bytes` of a logprob entry). */
  tokenBytes(id: number): Uint8Array {
    const piece = this.piece(id);
    switch (piece?.kind) {
      case undefined:
        return new Uint8Array(0);
      case 'text':
        return new TextEncoder().encode(piece.text);
      case 'bytes':
        return piece.bytes;
      case 'fallback':
        return Uint8Array.of(piece.byte);
    }
  }

  private piece(id: number): TokenPiece | undefined {
    const token = this.tokens.get(id);
    return token === undefined ? undefined : spell(token, this.spelling);
  }
}

function specialTokens(settings: TokenizerSettings): SpecialTokens {
  const names = ['bos_token', 'eos_token', 'pad_token', 'unk_token'] as const;
  const found: SpecialTokens = {};
  for (const name of names) {
    const text = tokenText(settings[name]);
    if (text !== undefined) found[name] = text;
  }
  return found;
}
