import type { ImageLayout, ModelConfig, ModelFamily, PreparedPrompt, Segment } from '../family.js';
import type { Tokenizer } from '../tokenizer/tokenizer.js';
import type { ChatMessage } from './chat.message.js';
import { imageUrls } from './chat.message.js';
import type { ChatTemplate } from './chat.template.js';
import { expandPlaceholders } from './placeholders.js';
import { PromptError } from './prompt.error.js';
import { questionStart } from './question.range.js';

/** What a prompt is built with. */
export interface PromptTools {
  family: ModelFamily;
  config: ModelConfig;
  template: ChatTemplate;
  tokenizer: Tokenizer;
}

/**
 * Turns messages and their images into the decoder's input.
 * @param images one for each `image_url` part, in order
 * @throws PromptError when images and parts do not match or the template refuses the messages
 */
export function buildPrompt<Image extends ImageLayout>(
  { family, config, template, tokenizer }: PromptTools,
  messages: readonly ChatMessage[],
  images: Image[],
): PreparedPrompt<Image> {
  const parts = imageUrls(messages).length;
  if (parts !== images.length) {
    throw new PromptError('image_count', `the messages have ${parts} images, ${images.length} were given`);
  }
  const converted = messages.map((message) => template.convert(message));
  const text = template.render(converted);
  const ids = encode(tokenizer, text, config);
  const { inputIds, segments } = expandPlaceholders(ids, config.tokens.image, images);
  const start = questionStart(template, converted, text);
  const question =
    start === undefined
      ? afterImages(segments)
      : expanded(commonPrefix(ids, encode(tokenizer, text.slice(0, start), config)), ids, config.tokens.image, images);
  return {
    text: tokenizer.unshield(text),
    inputIds,
    textBytesPerToken: bytesPerToken(tokenizer, ids),
    images,
    segments,
    question: { start: Math.min(question, inputIds.length - 1), end: inputIds.length },
    ...family.positions(segments, config),
  };
}

function bytesPerToken(tokenizer: Tokenizer, ids: readonly number[]): number {
  const written = ids.filter((id) => !tokenizer.isSpecial(id));
  const bytes = written.reduce((sum, id) => sum + tokenizer.tokenBytes(id).length, 0);
  return bytes === 0 ? 1 : bytes / written.length;
}

/**
 * As the reference does: a tokenizer adds nothing to what a template has written; a processor of images has it add its own, unless
 * the template has written the beginning-of-text token.
 */
function encode(tokenizer: Tokenizer, text: string, { tokens }: ModelConfig): number[] {
  const bos = tokenizer.specialTokens.bos_token;
  const addSpecial = tokens.image !== undefined && (bos === undefined || !text.startsWith(bos));
  return tokenizer.encode(text, { addSpecial });
}

/** A token that reaches across the start of the question belongs to it. */
function commonPrefix(ids: readonly number[], prefix: readonly number[]): number {
  let length = 0;
  while (length < prefix.length && prefix[length] === ids[length]) length++;
  return length;
}

/** Index after expansion of a token's index before it. */
function expanded(index: number, ids: readonly number[], placeholder: number | undefined, images: readonly ImageLayout[]): number {
  let image = 0;
  let extra = 0;
  for (let i = 0; i < index; i++) if (ids[i] === placeholder) extra += images[image++].tokens - 1;
  return index + extra;
}

/** Without a question of its own, all that follows the last image counts as one. */
function afterImages(segments: readonly Segment[]): number {
  return segments.findLast(({ modality }) => modality === 'visual')?.end ?? 0;
}
