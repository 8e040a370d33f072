import { CheckpointFolder } from './checkpoint/checkpoint.folder.js';
import { sameTensor, Weights } from './checkpoint/weights.js';
import type {
  ImageLayout,
  ImageProcessor,
  ImageSize,
  ModelConfig,
  ModelFamily,
  PageRules,
  PreparedImage,
  PreparedPrompt,
} from './family.js';
import { familyOf } from './families.js';
import { EMBEDDING_WEIGHT } from './graphs/decoder.graph.js';
import { CheckpointError } from './checkpoint/checkpoint.error.js';
import { decodeImage, type DecodeLimits } from './image/image.decoder.js';
import { noImages } from './image/no.images.js';
import type { RgbImage } from './image/rgb.image.js';
import type { ChatMessage } from './prompt/chat.message.js';
import { ChatTemplate } from './prompt/chat.template.js';
import { buildPrompt } from './prompt/prompt.builder.js';
import { Tokenizer } from './tokenizer/tokenizer.js';

/** Bytes of an image file, or decoded pixels. */
export type ImageSource = Uint8Array | RgbImage;

export interface OpenModelOptions {
  /**
   * What special tokens written out in a message's text mean, such as `<|im_end|>`. `control`: what they mean anywhere, as
   * in the reference. `text`: nothing but their characters, so that no text can end its turn or begin another one's.
   */
  specialTokensInText?: 'control' | 'text';
}

/** A checkpoint folder, read and checked. Holds no weights in memory. */
export interface OpenModel {
  dir: string;
  family: ModelFamily;
  config: ModelConfig;
  tokenizer: Tokenizer;
  weights: Weights;
  /** Every file of the folder that a built model depends on: config.json and the weights. */
  files: string[];
  /** Whether it has a vision tower. Where it has none, all that is asked about images throws an ImageError that says so. */
  takesImages: boolean;
  /** How pages are best drawn for this model. */
  pages: PageRules;
  /** What becomes of an image of this size. @throws ImageError when its shape is out of bounds */
  imageLayout(size: ImageSize): ImageLayout;
  /** @throws ImageError when the bytes cannot be decoded, are of too many pixels, or the image's shape is out of bounds */
  prepareImage(source: ImageSource, limits?: DecodeLimits): Promise<PreparedImage>;
  /**
   * @param images one for each `image_url` part of the messages, in order
   * @throws PromptError when images and parts do not match or the template refuses the messages; ImageError
   */
  prepare(messages: readonly ChatMessage[], images: readonly (ImageSource | PreparedImage)[]): Promise<PreparedPrompt>;
  /**
   * The prompt that `prepare` makes of images of these sizes, without their pixels.
   * @throws what `prepare` throws
   */
  layout(messages: readonly ChatMessage[], sizes: readonly ImageSize[]): PreparedPrompt<ImageLayout>;
  /** The same of images whose layouts are known. They are the prompt's images as they are given. */
  layoutOf<Image extends ImageLayout>(messages: readonly ChatMessage[], images: Image[]): PreparedPrompt<Image>;
}

/**
 * Opens a checkpoint folder and checks that all that is needed is there and fits together.
 * @throws CheckpointError that says what is wrong and in which file
 */
export function openModel(dir: string, { specialTokensInText = 'control' }: OpenModelOptions = {}): OpenModel {
  const folder = new CheckpointFolder(dir);
  const family = familyOf(folder);
  const parsed = family.parseConfig(folder);
  const weights = Weights.open(folder, (name) => family.tensorName(name));
  const config = { ...parsed, decoder: { ...parsed.decoder, tiedEmbeddings: reallyTied(parsed, weights) } };
  weights.verify(family.tensors(config));
  // Its rows are looked up in the file, one by one: a kind that is not numbers is refused before anything is built.
  weights.locate(EMBEDDING_WEIGHT);
  const tokenizer = Tokenizer.open(folder);
  const template = ChatTemplate.open(folder, tokenizer.specialTokens, placeholderText(folder, tokenizer, config));
  const processor = family.imageProcessor?.(folder, config) ?? noImages(config.family);
  const prepareImage = (source: ImageSource, limits?: DecodeLimits) => processImage(processor, source, limits);
  const build = <Image extends ImageLayout>(messages: readonly ChatMessage[], images: Image[]) => {
    const written = specialTokensInText === 'text' ? messages.map((message) => shielded(message, tokenizer)) : messages;
    return buildPrompt({ family, config, template, tokenizer }, written, images);
  };
  return {
    dir,
    family,
    config,
    tokenizer,
    weights,
    files: [folder.path('config.json'), ...weights.files],
    takesImages: family.imageProcessor !== undefined,
    pages: processor.pages,
    imageLayout: (size) => processor.layout(size),
    prepareImage,
    layout: (messages, sizes) => build(messages, sizes.map((size) => processor.layout(size))),
    layoutOf: build,
    async prepare(messages, images) {
      const prepared: PreparedImage[] = [];
      for (const image of images) prepared.push('pixels' in image ? image : await prepareImage(image));
      return build(messages, prepared);
    },
  };
}

async function processImage(
  processor: ImageProcessor,
  source: ImageSource,
  limits?: DecodeLimits,
): Promise<PreparedImage> {
  return processor.process(source instanceof Uint8Array ? await decodeImage(source, limits) : source);
}

function shielded(message: ChatMessage, tokenizer: Tokenizer): ChatMessage {
  const { content } = message;
  if (typeof content === 'string') return { ...message, content: tokenizer.shield(content) };
  if (!Array.isArray(content)) return message;
  const parts = content.map((part) => (part.type === 'text' ? { ...part, text: tokenizer.shield(part.text) } : part));
  return { ...message, content: parts };
}

/** A file with a head of its own and other values in it wins over `tie_word_embeddings`, as in the reference. */
function reallyTied({ decoder }: ModelConfig, weights: Weights): boolean {
  const [head, embedding] = ['lm_head.weight', 'decoder.embed_tokens.weight'];
  if (!decoder.tiedEmbeddings || !weights.has(head) || !weights.has(embedding)) return decoder.tiedEmbeddings;
  return sameTensor(weights, head, embedding);
}

/** @returns empty for a model without images */
function placeholderText(folder: CheckpointFolder, tokenizer: Tokenizer, config: ModelConfig): string {
  if (config.tokens.image === undefined) return '';
  const text = tokenizer.token(config.tokens.image);
  if (text === undefined) {
    throw new CheckpointError(
      'bad_tokenizer',
      `${folder.path('tokenizer.json')}: no token has the id ${config.tokens.image}, the image placeholder of config.json`,
    );
  }
  return text;
}
