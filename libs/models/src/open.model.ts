import { CheckpointFolder } from './checkpoint/checkpoint.folder.js';
import { sameTensor, Weights } from './checkpoint/weights.js';
import type { ImageProcessor, ModelConfig, ModelFamily, PreparedImage, PreparedPrompt } from './family.js';
import { familyOf } from './families.js';
import { CheckpointError } from './checkpoint/checkpoint.error.js';
import { decodeImage } from './image/image.decoder.js';
import type { RgbImage } from './image/rgb.image.js';
import type { ChatMessage } from './prompt/chat.message.js';
import { ChatTemplate } from './prompt/chat.template.js';
import { buildPrompt } from './prompt/prompt.builder.js';
import { Tokenizer } from './tokenizer/tokenizer.js';

/** Bytes of an image file, or decoded pixels. */
export type ImageSource = Uint8Array | RgbImage;

/** A checkpoint folder, read and checked. Holds no weights in memory. */
export interface OpenModel {
  dir: string;
  family: ModelFamily;
  config: ModelConfig;
  tokenizer: Tokenizer;
  weights: Weights;
  /** Every file of the folder that a built model depends on: config.json and the weights. */
  files: string[];
  /** @throws ImageError when the bytes cannot be decoded or the image's shape is out of bounds */
  prepareImage(source: ImageSource): Promise<PreparedImage>;
  /**
   * @param images one for each `image_url` part of the messages, in order
   * @throws PromptError when images and parts do not match or the template refuses the messages; ImageError
   */
  prepare(messages: readonly ChatMessage[], images: readonly (ImageSource | PreparedImage)[]): Promise<PreparedPrompt>;
}

/**
 * Opens a checkpoint folder and checks that all that is needed is there and fits together.
 * @throws CheckpointError that says what is wrong and in which file
 */
export function openModel(dir: string): OpenModel {
  const folder = new CheckpointFolder(dir);
  const family = familyOf(folder);
  const parsed = family.parseConfig(folder);
  const weights = Weights.open(folder, (name) => family.tensorName(name));
  const config = { ...parsed, decoder: { ...parsed.decoder, tiedEmbeddings: reallyTied(parsed, weights) } };
  weights.verify(family.tensors(config));
  const tokenizer = Tokenizer.open(folder);
  const template = ChatTemplate.open(folder, tokenizer.specialTokens, placeholderText(folder, tokenizer, config));
  const processor = family.imageProcessor(folder, config);
  const prepareImage = (source: ImageSource) => processImage(processor, source);
  return {
    dir,
    family,
    config,
    tokenizer,
    weights,
    files: [folder.path('config.json'), ...weights.files],
    prepareImage,
    async prepare(messages, images) {
      const prepared: PreparedImage[] = [];
      for (const image of images) prepared.push('pixels' in image ? image : await prepareImage(image));
      return buildPrompt({ family, config, template, tokenizer }, messages, prepared);
    },
  };
}

async function processImage(processor: ImageProcessor, source: ImageSource): Promise<PreparedImage> {
  return processor(source instanceof Uint8Array ? await decodeImage(source) : source);
}

/** A file with a head of its own and other values in it wins over `tie_word_embeddings`, as in the reference. */
function reallyTied({ decoder }: ModelConfig, weights: Weights): boolean {
  const [head, embedding] = ['lm_head.weight', 'decoder.embed_tokens.weight'];
  if (!decoder.tiedEmbeddings || !weights.has(head) || !weights.has(embedding)) return decoder.tiedEmbeddings;
  return sameTensor(weights, head, embedding);
}

function placeholderText(folder: CheckpointFolder, tokenizer: Tokenizer, config: ModelConfig): string {
  const text = tokenizer.token(config.tokens.image);
  if (text === undefined) {
    throw new CheckpointError(
      'bad_tokenizer',
      `${folder.path('tokenizer.json')}: no token has the id ${config.tokens.image}, the image placeholder of config.json`,
    );
  }
  return text;
}
