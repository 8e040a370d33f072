import type { PromptText } from '@madakv/contracts';
import type { ImageLayout, PreparedPrompt, Tokenizer } from '@madakv/models';

type Run = PromptText['runs'][number];
type Piece = Extract<Run, { kind: 'text' }>['pieces'][number];

/**
 * What a prompt says, token by token, as the model reads it. Tokens that hold parts of one character are one piece; bytes that are no text
 * show as U+FFFD.
 * @param ofPrompt of each image of the prompt, which of the request's it is
 */
export function promptText(
  { inputIds, segments }: Pick<PreparedPrompt<ImageLayout>, 'inputIds' | 'segments'>,
  ofPrompt: readonly number[],
  tokenizer: Pick<Tokenizer, 'isSpecial' | 'token' | 'tokenBytes'>,
): PromptText {
  const runs: Run[] = [];
  for (const { start, end, image } of segments) {
    if (image !== undefined) runs.push({ kind: 'image', start, tokens: end - start, image: ofPrompt[image] });
    else runs.push(...runsOf(inputIds, { start, end }, tokenizer));
  }
  return { version: 1, tokens: inputIds.length, runs };
}

/** Of a part of the prompt without images. */
function runsOf(
  ids: Int32Array,
  { start, end }: { readonly start: number; readonly end: number },
  tokenizer: Pick<Tokenizer, 'isSpecial' | 'token' | 'tokenBytes'>,
): Run[] {
  const runs: Run[] = [];
  let open = new OpenRun(start);
  for (let at = start; at < end; at++) {
    if (!tokenizer.isSpecial(ids[at])) {
      open.push(tokenizer.tokenBytes(ids[at]));
      continue;
    }
    runs.push(...open.close(), { kind: 'special', start: at, text: tokenizer.token(ids[at]) ?? '' });
    open = new OpenRun(at + 1);
  }
  return [...runs, ...open.close()];
}

/** Text under way: what does not end a character yet waits for the tokens that do. */
class OpenRun {
  private readonly decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  private readonly pieces: Piece[] = [];
  /** Tokens since the last piece. */
  private waiting = 0;

  constructor(private readonly start: number) {}

  push(bytes: Uint8Array): void {
    this.waiting++;
    this.add(this.decoder.decode(bytes, { stream: true }));
  }

  /** @returns the run, or none where there was no token */
  close(): Run[] {
    const rest = this.decoder.decode();
    // What ends in the midst of a character, or says nothing at all, is of the tokens that are left.
    if (this.waiting > 0) this.add(rest, true);
    else if (rest !== '') this.extend(rest);
    return this.pieces.length === 0 ? [] : [{ kind: 'text', start: this.start, pieces: this.pieces }];
  }

  private add(text: string, last = false): void {
    if (text === '' && !last) return;
    this.pieces.push(this.waiting === 1 ? text : [text, this.waiting]);
    this.waiting = 0;
  }

  /** A token ended a character and began one that never came. */
  private extend(rest: string): void {
    const last = this.pieces.pop() ?? '';
    this.pieces.push(typeof last === 'string' ? last + rest : [last[0] + rest, last[1]]);
  }
}
