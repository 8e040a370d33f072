import { loadDecoderInputs } from './decoder/decoder.inputs.js';
import type { GenerationControl, GenerationRequest, GenerationResult } from './generation.js';
import { buildModel, checkpointInput, type BuildOptions } from './build/built.model.js';
import { loadSessions, type LoadedSessions } from './build/load.js';
import { Decoder } from './decoder/decoder.js';
import type { KvPrecision } from './kv/kept.part.js';
import { KvLedger } from './kv/kv.ledger.js';
import { freshRowBytes, kvGeometry, type KvGeometry } from './kv/kv.need.js';
import { ResidentRows } from './resident/resident.rows.js';
import { Scheduler, type SchedulerSettings } from './scheduler.js';
import { VisionEncoder } from './vision.encoder.js';
import type { OpenModel } from '@madakv/models';
import type { ExecutionProvider } from '@madakv/onnx';

export interface EngineOptions extends BuildOptions, Partial<SchedulerSettings> {
  /** Bytes of visual features kept for later questions about the same images. */
  readonly featureCacheBytes?: number;
  /** Bytes of rows of documents kept for later questions about them, all layers in full precision; 0, as by default, keeps none. */
  readonly residentLimitBytes?: number;
  /** The shortest beginning of a prompt whose rows are kept or used, in tokens. */
  readonly residentLeastTokens?: number;
  /** Told the `documentKey`s of the requests whose documents are resident, whenever these change. */
  readonly onResident?: (documentKeys: readonly string[]) => void;
  /**
   * How rows of the cache are stored. `int8`: kept ones in a quarter of the memory, which loses little; new tokens stay float32. `fp16`: all of
   * them in half, on a device.
   */
  readonly kvPrecision?: KvPrecision;
}

const DEFAULT_SETTINGS: SchedulerSettings = {
  chunkTokens: 512,
  maxSequences: 8,
  prefillOrder: 'layer',
  maxGroup: 64,
};
const DEFAULT_FEATURE_CACHE_BYTES = 256 * 2 ** 20;
/** Half a run: fewer are computed in about the time that looking after them takes. */
const DEFAULT_RESIDENT_LEAST_TOKENS = 256;

/**
 * Generates answers from one model on one device. Any number of requests may be under way: the engine interleaves the prefill
 * of new ones with the decoding of running ones. Runs of ONNX Runtime block the thread they are called on, so a server keeps
 * an engine in a worker thread.
 */
export class Engine {
  private constructor(
    readonly model: OpenModel,
    /** Folder of the built graphs. */
    readonly builtDir: string,
    /** How its caches are stored. */
    readonly kvGeometry: KvGeometry,
    private readonly ledger: KvLedger,
    private readonly scheduler: Scheduler,
    private readonly vision: VisionEncoder,
    private readonly sessions: LoadedSessions,
    private readonly residents: ResidentRows | undefined,
  ) {}

  /**
   * Builds the model's graphs unless they are built already, and opens them.
   * @throws RangeError for resident rows where the provider's memory keeps none, or not in `layer` order
   */
  static async load(model: OpenModel, provider: ExecutionProvider, options: EngineOptions): Promise<Engine> {
    const built = await buildModel(checkpointInput(model), provider, options);
    const sessions = await loadSessions(built, model.config.decoder, provider, options.kvPrecision);
    const decoder = new Decoder(model.config.decoder, sessions.decoder);
    const vision = new VisionEncoder(
      model.config,
      sessions.vision,
      options.featureCacheBytes ?? DEFAULT_FEATURE_CACHE_BYTES,
    );
    const ledger = new KvLedger();
    const geometry = kvGeometry(model.config.decoder, provider.name, options.kvPrecision ?? 'fp32');
    const residents = residentsOf(decoder, geometry, options);
    const scheduler = new Scheduler(
      decoder,
      vision,
      loadDecoderInputs(model),
      ledger,
      geometry,
      {
        ...DEFAULT_SETTINGS,
        ...options,
      },
      residents,
    );
    return new Engine(model, built.dir, geometry, ledger, scheduler, vision, sessions, residents);
  }

  /** Bytes of key-value cache allocated now. */
  get kvBytes(): number {
    return this.ledger.bytes;
  }

  /** Highest number of bytes of key-value cache that were allocated at once. */
  get kvPeakBytes(): number {
    return this.ledger.peakBytes;
  }

  /** Bytes of visual features that are kept for later questions. */
  get featureBytes(): number {
    return this.vision.featureBytes;
  }

  /** Bytes of resident rows, those in the making too. */
  get residentBytes(): number {
    return this.residents?.bytes ?? 0;
  }

  /** Whether the features of the image of this key are kept now, so that a deferred one would not be prepared. */
  knowsImage(key: string): boolean {
    return this.vision.knows(key);
  }

  /** Bytes of cache one prompt token takes over all layers before eviction. */
  get kvBytesPerToken(): number {
    return this.kvGeometry.layers * freshRowBytes(this.kvGeometry);
  }

  /**
   * Answers one request. Its cache is freed when the promise settles, however it does.
   * @throws GrantTooSmallError when the ratio leaves less than the policy's floors
   * @throws RangeError for a request outside of the model's or an option's limits
   * @throws the signal's reason when cancelled; that takes effect before the next chunk or step
   */
  generate(request: GenerationRequest, control: GenerationControl = {}): Promise<GenerationResult> {
    return this.scheduler.submit(request, control);
  }

  /** Cancels what is under way and frees all sessions. */
  async close(): Promise<void> {
    await this.scheduler.close();
    this.residents?.close();
    await this.sessions.release();
  }
}

function residentsOf(decoder: Decoder, geometry: KvGeometry, options: EngineOptions): ResidentRows | undefined {
  const { residentLimitBytes: limitBytes = 0, residentLeastTokens: leastTokens = DEFAULT_RESIDENT_LEAST_TOKENS } =
    options;
  if (limitBytes === 0) return undefined;
  if (!decoder.memory.keepsRows) throw new RangeError('resident rows are for caches in the processor’s memory');
  if (options.prefillOrder === 'chunk') throw new RangeError('resident rows are for prefill in layer order');
  return new ResidentRows(geometry.layers, freshRowBytes(geometry), {
    limitBytes,
    leastTokens,
    ...(options.onResident === undefined ? {} : { onDocuments: options.onResident }),
  });
}
