import { createHash, randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import {
  CheckpointError,
  decoderStage,
  hasVisionGraph,
  visionGraphOf,
  type BlobSink,
  type ModelConfig,
  type OpenModel,
  type Precision,
  type TensorSource,
  type WeightFormat,
} from '@madakv/models';
import type { ExecutionProvider } from '@madakv/onnx';
import { BlobFile } from './blob.file.js';
import { MANIFEST, recordUse } from './built.record.js';
import { fingerprint } from './fingerprint.js';
import type { HalfOrFull } from './half.precision.js';

/** Raised when the layout of built models or the way graphs are written changes. */
const FORMAT = 3;

/** Names of a built model's graphs. */
export const VISION_GRAPH = 'vision';
export const stageGraph = (stage: number): string => `stage-${String(stage).padStart(3, '0')}`;

export interface BuildOptions {
  readonly precision: Precision;
  /** Of the vision tower; fp32 where absent. */
  readonly visionPrecision?: HalfOrFull;
  /** Where built models are kept; by default `$MADAKV_CACHE`, else `~/.cache/madakv`. */
  readonly cacheDir?: string;
  /** Told after each graph, for a progress bar. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** A model's graphs on disk, ready to be mapped into memory by sessions. */
export interface BuiltModel {
  readonly dir: string;
  /** Identifies checkpoint content, precision, provider and format. */
  readonly key: string;
  /** False when it was found in the cache. */
  readonly fresh: boolean;
}

export function defaultCacheDir(): string {
  const named = process.env['MADAKV_CACHE'];
  return named === undefined || named === '' ? join(homedir(), '.cache', 'madakv') : named;
}

/** Folder of all built models. */
export function builtModelsDir(cacheDir = defaultCacheDir()): string {
  return join(cacheDir, 'models');
}

/** What graphs are built from. */
export interface BuildInput {
  readonly config: ModelConfig;
  readonly tensors: TensorSource;
  /** How matrices are stored that are in codes already, such as `awq`. */
  readonly packing?: string;
  /** Identifies the content of the tensors; `indexPath` is a file it may remember hashes in. */
  fingerprint(indexPath: string): Promise<string>;
  /** Leave the vision tower out. */
  readonly textOnly?: boolean;
  /** Folder of the checkpoint, for the list of built models. */
  readonly checkpoint?: string;
}

/** Builds from a checkpoint folder. */
export function checkpointInput(model: OpenModel): BuildInput {
  const { weights } = model;
  const shapes = new Map(model.family.tensors(model.config).map(({ name, shape }) => [name, shape]));
  const shape = (name: string): number[] => shapes.get(name) ?? weights.locate(name).shape;
  return {
    config: model.config,
    tensors: { shape, read: (name) => weights.read(name), packed: (name) => weights.packed(name, shape(name)) },
    ...(weights.packing === undefined ? {} : { packing: weights.packing }),
    fingerprint: (indexPath) => fingerprint(model.files, indexPath),
    checkpoint: model.dir,
    textOnly: !hasVisionGraph(model.config.family),
  };
}

/**
 * Builds a model's graphs, or finds them built already. A build happens in a folder of its own that gets its final
 * name only when complete: a crash leaves nothing that could be taken for a built model, and two builders at once do no harm.
 * @throws ProviderUnavailableError for w8a8 where no integer product is exact; CheckpointError for w8a8 where matrices are in codes already
 */
export async function buildModel(
  input: BuildInput,
  provider: ExecutionProvider,
  options: BuildOptions,
): Promise<BuiltModel> {
  if (input.packing !== undefined && options.precision.kind === 'w8a8') {
    throw new CheckpointError(
      'unsupported_feature',
      `${input.checkpoint ?? 'the checkpoint'}: its matrices are stored in ${input.packing} already, of which w8a8 cannot be made; ` +
        'none, 4 and 8 keep them as they are',
    );
  }
  const root = builtModelsDir(options.cacheDir);
  const content = await input.fingerprint(join(root, 'files.json'));
  const precision = await weightFormat(options.precision, provider);
  const signature = await provider.signature();
  // What is not built is not told apart.
  const vision = { kind: (input.textOnly === true ? undefined : options.visionPrecision) ?? 'fp32' } as const;
  const settings = JSON.stringify({ format: FORMAT, provider: signature, precision, vision });
  const key = createHash('sha256').update(`${content}\n${settings}`).digest('hex').slice(0, 32);
  const dir = join(root, key);
  const use = {
    family: input.config.family,
    precision: precisionName(options.precision, vision.kind),
    provider: provider.name,
    signature,
    ...(input.checkpoint === undefined ? {} : { checkpoint: input.checkpoint }),
  };
  if (isComplete(dir)) {
    recordUse(dir, use);
    return { dir, key, fresh: false };
  }

  const work = join(root, `.${key}.${randomUUID()}`);
  mkdirSync(work, { recursive: true });
  try {
    await writeGraphs(input, provider, { decoder: precision, vision }, work, options.onProgress);
    writeManifest(work);
    install(work, dir);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  recordUse(dir, use);
  return { dir, key, fresh: true };
}

/** As lists of built models show it; two that differ in it are two models. The vision tower's only where it is not what one expects. */
function precisionName(precision: Precision, vision: string): string {
  const name = precision.kind === 'int' ? `${precision.bits} bit (blocks of ${precision.blockSize})` : precision.kind;
  return vision === 'fp32' || vision === precision.kind ? name : `${name}, vision ${vision}`;
}

async function weightFormat(precision: Precision, provider: ExecutionProvider): Promise<WeightFormat> {
  return precision.kind === 'w8a8' ? { ...precision, codes: await provider.integerCodes() } : precision;
}

/** Gives a build its final name, unless another process was faster: what that has built is as good, and may be in use. */
function install(work: string, dir: string): void {
  for (;;) {
    try {
      renameSync(work, dir);
      return;
    } catch (error) {
      if (isComplete(dir)) return;
      if (!existsSync(dir)) throw error;
      // It has lost some of its files.
      rmSync(dir, { recursive: true, force: true });
    }
  }
}

async function writeGraphs(
  { config, tensors, textOnly }: BuildInput,
  provider: ExecutionProvider,
  formats: { readonly decoder: WeightFormat; readonly vision: WeightFormat },
  dir: string,
  onProgress: BuildOptions['onProgress'],
): Promise<void> {
  const stages = config.decoder.layers + 1;
  const graphs: { name: string; build: (blobs: BlobSink) => Uint8Array }[] = Array.from(
    { length: stages },
    (_, stage) => ({
      name: stageGraph(stage),
      build: (blobs) => decoderStage(config.decoder, stage, tensors, blobs, formats.decoder),
    }),
  );
  if (textOnly !== true) {
    graphs.unshift({
      name: VISION_GRAPH,
      build: (blobs) => visionGraphOf(config.family).build(config, tensors, blobs, formats.vision),
    });
  }
  let done = 0;
  for (const { name, build } of graphs) {
    await writeGraph(provider, dir, name, build);
    onProgress?.(++done, graphs.length);
  }
}

async function writeGraph(
  provider: ExecutionProvider,
  dir: string,
  name: string,
  build: (blobs: BlobSink) => Uint8Array,
): Promise<void> {
  const prepares = provider.prepare !== undefined;
  const blobName = prepares ? `${name}.raw` : `${name}.onnx.bin`;
  const blobs = new BlobFile(join(dir, blobName), blobName);
  let bytes: Uint8Array;
  try {
    bytes = build(blobs);
  } finally {
    blobs.close();
  }
  const path = join(dir, `${name}.onnx`);
  if (provider.prepare === undefined) {
    writeFileSync(path, bytes);
    return;
  }
  // ONNX Runtime resolves external data of a model in memory against a folder, and rewrites them beside the result.
  await provider.prepare({ bytes, folder: dir }, path);
  rmSync(join(dir, blobName));
}

/** Lists every file with its size, so that a folder that lost some is built again. */
function writeManifest(dir: string): void {
  const sizes = Object.fromEntries(readdirSync(dir).map((file) => [file, statSync(join(dir, file)).size]));
  writeFileSync(join(dir, MANIFEST), JSON.stringify(sizes));
}

function isComplete(dir: string): boolean {
  if (!existsSync(join(dir, MANIFEST))) return false;
  try {
    const sizes = JSON.parse(readFileSync(join(dir, MANIFEST), 'utf8')) as Record<string, number>;
    return Object.entries(sizes).every(([file, size]) => statSync(join(dir, file)).size === size);
  } catch {
    return false;
  }
}
