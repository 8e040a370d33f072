import { CheckpointError } from '../checkpoint/checkpoint.error.js';
import type { TokenPiece } from './detokenizer.js';
import type { TokenizerFile } from './tokenizer.file.js';

/** How a tokenizer's tokens spell text, read from the `decoder` of tokenizer.json. */
export interface Spelling {
  /** Tokens are bytes written as printable characters (GPT-2's alphabet). */
  byteLevel: boolean;
  /** `<0x0A>` stands for a byte. */
  byteFallback: boolean;
  /** Replacements in order, e.g. `▁` by a space. */
  replacements: [pattern: string, by: string][];
  /** Spaces dropped from the start of a text. */
  stripped: number;
}

interface Step {
  type: string;
  decoders?: Step[];
  pattern?: { String?: string };
  content?: string;
  start?: number;
  replacement?: string;
  prepend_scheme?: string;
  add_prefix_space?: boolean;
}

/** @throws CheckpointError `bad_tokenizer` for a decoder this package does not know */
export function readSpelling(decoder: TokenizerFile['decoder'], where: string): Spelling {
  const spelling: Spelling = { byteLevel: false, byteFallback: false, replacements: [], stripped: 0 };
  const visit = (step: Step): void => {
    switch (step.type) {
      case 'Sequence':
        step.decoders?.forEach(visit);
        return;
      case 'ByteLevel':
        spelling.byteLevel = true;
        return;
      case 'ByteFallback':
        spelling.byteFallback = true;
        return;
      case 'Replace':
        spelling.replacements.push([step.pattern?.String ?? '', step.content ?? '']);
        return;
      case 'Metaspace':
        spelling.replacements.push([step.replacement ?? '▁', ' ']);
        if (step.prepend_scheme !== 'never' && step.add_prefix_space !== false) spelling.stripped = 1;
        return;
      case 'Strip':
        spelling.stripped = step.start ?? 0;
        return;
      case 'Fuse':
        return;
      default:
        throw new CheckpointError('bad_tokenizer', `${where}: decoder ${step.type} is not supported`);
    }
  };
  if (decoder) visit(decoder);
  return spelling;
}

/** What a vocabulary entry contributes to the text. */
export function spell(token: string, spelling: Spelling): TokenPiece {
  if (spelling.byteLevel) return { kind: 'bytes', bytes: byteLevelBytes(token) };
  const byte = spelling.byteFallback ? /^<0x([0-9A-Fa-f]{2})>$/.exec(token) : null;
  if (byte) return { kind: 'fallback', byte: parseInt(byte[1], 16) };
  const text = spelling.replacements.reduce((result, [pattern, by]) => result.replaceAll(pattern, by), token);
  return { kind: 'text', text };
}

/** A token with a character outside the alphabet was added as it stands. */
function byteLevelBytes(token: string): Uint8Array {
  const bytes: number[] = [];
  for (const character of token) {
    const byte = byteOf.get(character);
    if (byte === undefined) return new TextEncoder().encode(token);
    bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}

/** GPT-2's alphabet: printable Latin-1 stands for itself, the other bytes follow in order from U+0100 on. */
const byteOf = byteAlphabet();

function byteAlphabet(): Map<string, number> {
  const alphabet = new Map<string, number>();
  let next = 0x100;
  for (let byte = 0; byte < 256; byte++) {
    const printable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    alphabet.set(String.fromCodePoint(printable ? byte : next++), byte);
  }
  return alphabet;
}
