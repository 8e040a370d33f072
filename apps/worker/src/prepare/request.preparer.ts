import { createHash } from 'node:crypto';
import {
  MadakvError,
  questionId,
  storeKeys,
  type ChatRequest,
  type PreparedImageRef,
  type PreparedQuestion,
  type PreparedRequest,
  type PromptText,
  type Warning,
} from '@madakv/contracts';
import { PdfRasteriser, type DocumentWarning } from '@madakv/documents';
import type { KvGeometry } from '@madakv/engine';
import {
  ImageError,
  noImagesReason,
  PromptError,
  type ImageLayout,
  type ImageSize,
  type OpenModel,
  type PreparedPrompt,
} from '@madakv/models';
import {
  chatMessages,
  extractionRequests,
  type DocumentOrder,
  generationSettings,
  inReadingOrder,
  planGeneration,
  readParameters,
  withSeed,
} from '@madakv/requests';
import type { FileStore } from '@madakv/storage';
import { withSpan } from '@madakv/telemetry';
import { documentParts, type DocumentPart, type PartContent } from './document.part.js';
import { ImageStore } from './image.store.js';
import type { KnownDocuments } from './known.documents.js';
import { PageStore } from './page.store.js';
import { PhaseClock } from './phase.clock.js';
import { PartContents, type UserFiles } from './part.content.js';
import type { PrepareOptions } from './prepare.settings.js';
import { promptKey } from './prompt.key.js';
import { promptText } from './prompt.text.js';
import { RequestBudget } from './request.budget.js';
import { asRequestProblem, placeOf } from './request.problem.js';
import type { ServedCache } from './served.cache.js';
import type { StoredImage } from './stored.image.js';
import { TiffStore } from './tiff.store.js';

export interface PrepareInput {
  readonly requestId: string;
  readonly tenant: string;
  readonly customId: string | null;
  readonly body: ChatRequest;
  /** How long the request had waited, in milliseconds. */
  readonly queueMs?: number;
  readonly signal?: AbortSignal;
  /** Of those that are prepared beside it. */
  readonly known?: KnownDocuments;
}

export interface PreparerParts {
  /** Opened with `specialTokensInText: 'text'`, as the engine's has to be. */
  readonly model: Pick<OpenModel, 'config' | 'takesImages' | 'pages' | 'imageLayout' | 'layout' | 'tokenizer'>;
  readonly store: Pick<FileStore, 'get' | 'head' | 'put'>;
  readonly files: UserFiles;
  readonly options: PrepareOptions;
  readonly cache: Pick<ServedCache, 'geometry'>;
  /** Milliseconds that only ever grow. */
  readonly now?: () => number;
}

/** Texts of prompts that are held and written at a time. */
const WRITTEN_AT_A_TIME = 4;
const PHASES = ['fetch', 'rasterise', 'tokenise'] as const;
type Phase = (typeof PHASES)[number];
type PreparedMessage = PreparedRequest['messages'][number];
/** Indices of the images that a part has become. */
type ImagesOfParts = ReadonlyMap<DocumentPart['part'], readonly number[]>;
type PageImage = StoredImage & { readonly page: number | null };
interface Taken {
  readonly images: readonly PageImage[];
  readonly warnings: readonly DocumentWarning[];
}
/** What is the same for all questions of a request. */
interface AskedWith {
  readonly ofParts: ImagesOfParts;
  readonly kv: KvGeometry;
  readonly seed: () => number;
}
interface Work {
  readonly input: PrepareInput;
  readonly budget: RequestBudget;
  readonly clock: PhaseClock<Phase>;
}

/**
 * Turns a request into what the engine can answer without another look at the world: its documents as page images in the
 * FileStore, its prompt counted and checked against the model. Doing it again gives the same and costs little.
 */
export class RequestPreparer {
  private readonly rasteriser: PdfRasteriser;
  private readonly contents: PartContents;
  private readonly pages: PageStore;
  private readonly images: ImageStore;
  private readonly tiffs: TiffStore;
  private readonly now: () => number;

  constructor(private readonly parts: PreparerParts) {
    const { model, store, files, options, now } = parts;
    this.now = now ?? (() => performance.now());
    this.rasteriser = new PdfRasteriser({ processes: options.rasterProcesses, limits: options.document });
    this.contents = new PartContents(store, files, options.fetch, {
      maxDocumentBytes: options.document.maxDocumentBytes,
      maxImageBytes: options.image.maxImageBytes,
    });
    this.pages = new PageStore(store, this.rasteriser, {
      dpi: options.dpi,
      ...model.pages,
    });
    this.images = new ImageStore(store, options.image);
    this.tiffs = new TiffStore(store, options.image);
  }

  /**
   * @throws MadakvError with one of PREPARE_ERROR_CODES, its `param` the part that is wrong; the signal's reason when
   *   aborted
   */
  async prepare(input: PrepareInput): Promise<PreparedRequest> {
    const { requestId, customId, body, queueMs = 0 } = input;
    const clock = new PhaseClock<Phase>(this.now);
    const budget = new RequestBudget(this.parts.options.request);
    budget.checkText(body.messages);
    const { images, ofParts, warnings } = await this.takeDocuments({ input, budget, clock });
    const kv = await this.parts.cache.geometry(this.parts.model.config.decoder);
    const [first, ...others] = await this.questions({ input, budget, clock }, images, {
      ofParts,
      kv,
      seed: () => seedOf(requestId),
    });
    const [fetch, rasterise, tokenise] = PHASES.map((phase) => clock.of(phase));
    const schema = extractionSchema(body);
    return {
      requestId,
      customId,
      ...first,
      images,
      warnings,
      ...(schema === undefined ? {} : { extraction: { schema, others } }),
      ms: { queue: queueMs, fetch, rasterise, tokenise },
    };
  }

  /** Memory of the processes that rasterise, in bytes, as of their last documents. */
  get rasterBytes(): number {
    return this.rasteriser.residentBytes;
  }

  /** Ends the processes that rasterise; requests under way fail. */
  close(): void {
    this.rasteriser.close();
  }

  /** In bunches: the texts of long prompts are written before the next ones are read. Writing them is no part of reading them. */
  private async questions(
    { input: { requestId, body, signal }, clock }: Work,
    images: PreparedImageRef[],
    asked: AskedWith,
  ): Promise<PreparedQuestion[]> {
    const all = questionsOf(body);
    const questions: PreparedQuestion[] = [];
    while (questions.length < all.length) {
      const first = questions.length;
      const bunch = all.slice(first, first + WRITTEN_AT_A_TIME);
      const read = await measured(clock, 'tokenise', () =>
        Promise.resolve(bunch.map((each) => this.question(each, images, asked))),
      );
      await Promise.all(read.map(({ text }, i) => this.keepText(questionId(requestId, first + i + 1), text, signal)));
      questions.push(...read.map(({ question }) => question));
    }
    return questions;
  }

  private question(
    body: ChatRequest,
    images: PreparedImageRef[],
    { ofParts, kv, seed }: AskedWith,
  ): { readonly question: PreparedQuestion; readonly text: PromptText | undefined } {
    const messages = preparedMessages(body.messages, ofParts, body.madakv?.layout);
    const parameters = withSeed(withoutMessages(body), seed);
    const { prompt, ofPrompt } = this.layOut(messages, images);
    const { promptTokens, need, cacheRatio, minCacheRatio } = this.plan(prompt, parameters, kv);
    const { fullBytes } = need;
    const documentKey = promptKey(messages, images);
    const { model, options } = this.parts;
    return {
      question: {
        messages,
        parameters,
        promptTokens: { ...promptTokens },
        fullBytes,
        cacheRatio,
        minCacheRatio,
        ...(documentKey === undefined ? {} : { documentKey }),
      },
      text: options.keepsText ? promptText(prompt, ofPrompt, model.tokenizer) : undefined,
    };
  }

  /** Under the name of its trace; the trace itself has no text. */
  private async keepText(id: string, text: PromptText | undefined, signal: AbortSignal | undefined): Promise<void> {
    if (text === undefined) return;
    signal?.throwIfAborted();
    await this.parts.store.put(storeKeys.text(id), Buffer.from(JSON.stringify(text)));
  }

  private async takeDocuments(
    work: Work,
  ): Promise<Pick<PreparedRequest, 'images' | 'warnings'> & { readonly ofParts: ImagesOfParts }> {
    const { tenant, signal } = work.input;
    const parts = documentParts(work.input.body.messages);
    this.checkSees(parts);
    work.budget.checkParts(parts);
    const images: PreparedImageRef[] = [];
    const ofParts = new Map<DocumentPart['part'], number[]>();
    const warnings: Warning[] = [];
    for (const part of parts) {
      try {
        const taken = await this.takePart(part, work);
        ofParts.set(
          part.part,
          taken.images.map((_, i) => images.length + i),
        );
        for (const { key, width, height, page } of taken.images) {
          this.checkShape({ width, height }, page);
          images.push({ key, width, height, part: part.path, page });
        }
        if (taken.warnings.length === 0) continue;
        const place = placeOf(part.path, await this.contents.nameOf(part, tenant));
        for (const { code, message } of taken.warnings) {
          warnings.push({ code, message: `${place}: ${message}`, param: part.path });
        }
      } catch (error) {
        signal?.throwIfAborted();
        throw asRequestProblem(error, part.path, await this.contents.nameOf(part, tenant).catch(() => undefined));
      }
    }
    return { images, ofParts, warnings };
  }

  /** Before anything is fetched for it. @throws MadakvError where there is a document for a model that reads text alone */
  private checkSees(parts: readonly DocumentPart[]): void {
    const { takesImages, config } = this.parts.model;
    if (takesImages || parts.length === 0) return;
    const [{ path }] = parts;
    const options = { param: path, reason: 'text_only_model' };
    throw new MadakvError('invalid_document', `${path}: ${noImagesReason(config.family)}`, options);
  }

  /** @throws ImageError when the model takes no image of this shape */
  private checkShape(size: ImageSize, page: number | null): void {
    try {
      this.parts.model.imageLayout(size);
    } catch (error) {
      if (!(error instanceof ImageError) || page === null) throw error;
      throw new ImageError(`page ${page}: ${error.message}`, { cause: error });
    }
  }

  private async takePart(part: DocumentPart, { input, budget, clock }: Work): Promise<Taken> {
    const { tenant, body, signal, known } = input;
    signal?.throwIfAborted();
    const content = await measured(clock, 'fetch', () => this.contents.open(part, tenant, { signal, known }));
    budget.takeBytes(content.size);
    const choice = body.madakv?.pages;
    const admit = {
      pages: (count: number): void => {
        budget.takePages(count);
      },
      image: (): void => {
        budget.takeImage(part.path);
      },
    };
    if (content.mediaType === 'application/pdf') {
      return measured(clock, 'rasterise', async () => {
        const draw = () => this.pages.pages(content, choice, admit.pages, signal);
        const drawn = known === undefined ? draw() : known.drawn(`${content.sha256} ${choice ?? ''}`, draw);
        const { pages, warnings } = await drawn;
        return { images: pages, warnings };
      });
    }
    if (content.mediaType === 'image/tiff') {
      const pages = (): Promise<PageImage[]> => this.tiffs.pages(content, choice, admit, signal);
      return measured(clock, 'rasterise', async () => ({ images: await pages(), warnings: [] }));
    }
    admit.image();
    return measured(clock, 'rasterise', () => this.takeImage(content, signal));
  }

  private async takeImage(content: PartContent, signal: AbortSignal | undefined): Promise<Taken> {
    const { image, warnings } = await this.images.keep(content, signal);
    return { images: [{ ...image, page: null }], warnings };
  }

  private plan(prompt: PreparedPrompt<ImageLayout>, parameters: Omit<ChatRequest, 'messages'>, kv: KvGeometry) {
    const { decoder } = this.parts.model.config;
    return planGeneration(prompt, generationSettings(readParameters(parameters)), { decoder, kv });
  }

  /** @returns `ofPrompt`: of each image of the prompt, which of the request's it is */
  private layOut(
    messages: PreparedMessage[],
    images: PreparedImageRef[],
  ): { readonly prompt: PreparedPrompt<ImageLayout>; readonly ofPrompt: readonly number[] } {
    const chat = chatMessages(messages, images.length);
    try {
      const sizes = chat.images.map((index) => images[index]);
      return { prompt: this.parts.model.layout(chat.messages, sizes), ofPrompt: chat.images };
    } catch (cause) {
      if (!(cause instanceof PromptError)) throw cause;
      throw new MadakvError('invalid_request', `messages: ${cause.message}`, { param: 'messages', cause });
    }
  }
}

/** A phase of the work, in the request's times and in its trace. */
function measured<T>(clock: PhaseClock<Phase>, phase: Phase, work: () => Promise<T>): Promise<T> {
  return withSpan(phase, {}, () => clock.measure(phase, work));
}

/** The messages as the model reads them, with images where their documents stand. */
function preparedMessages(
  messages: ChatRequest['messages'],
  images: ImagesOfParts,
  order: DocumentOrder | undefined,
): PreparedMessage[] {
  return messages.map(({ role, content }) => ({
    // A newer name of the same thing; templates know the old one.
    role: role === 'developer' ? 'system' : role,
    content:
      typeof content === 'string'
        ? [{ type: 'text', text: content }]
        : inReadingOrder(
            (content ?? []).flatMap((part): PreparedMessage['content'] =>
              part.type === 'text' ? [part] : (images.get(part) ?? []).map((index) => ({ type: 'image', index })),
            ),
            order,
          ),
  }));
}

function withoutMessages(body: ChatRequest): Omit<ChatRequest, 'messages'> {
  const parameters: Partial<ChatRequest> & Omit<ChatRequest, 'messages'> = { ...body };
  delete parameters.messages;
  return parameters;
}

/** What the engine is asked: the request itself, or a question a field. All of them have the same documents. */
function questionsOf(body: ChatRequest): readonly ChatRequest[] {
  return body.madakv?.extract === true ? extractionRequests(body).requests : [body];
}

function extractionSchema({ madakv, response_format: format }: ChatRequest): unknown {
  return madakv?.extract === true && format?.type === 'json_schema' ? format.json_schema.schema : undefined;
}

/** Of a request without a seed: the same at every attempt. */
function seedOf(requestId: string): number {
  return createHash('sha256').update(requestId).digest().readUInt32BE() >>> 1;
}
