import { existsSync } from 'node:fs';
import { join } from 'node:path';
import {
  decodeAttention,
  importanceScore,
  likeliestOfBlocks,
  prefillAttention,
  readMatrix,
  visualSum,
  type DecoderConfig,
} from '@madakv/models';
import type { ExecutionProvider, Session, SessionSettings } from '@madakv/onnx';
import { requireHalf } from './half.precision.js';
import type { DecoderSessions } from '../decoder/decoder.js';
import { DeviceMemory } from '../kv/device.memory.js';
import { HostMemory } from '../kv/host.memory.js';
import type { KvFormat, KvPrecision } from '../kv/kept.part.js';
import type { KvMemory } from '../kv/kv.memory.js';
import { stageGraph, VISION_GRAPH, type BuiltModel } from './built.model.js';

/** Sequences one decode attention takes at once; other numbers are made up of these. */
const DECODE_WIDTHS = [8, 4, 2, 1];

export interface LoadedSessions {
  readonly decoder: DecoderSessions;
  /** Absent for a model that was built without its vision tower. */
  readonly vision: Session | undefined;
  /** What caches in JavaScript's memory must be made of. */
  readonly cacheFormat: KvFormat;
  release(): Promise<void>;
}

/**
 * Opens all sessions of a built model. Releases those already open if one fails.
 * @throws ProviderUnavailableError for an int8 cache where no integer product is exact, and for an fp16 one where there is no float16
 */
export async function loadSessions(
  built: BuiltModel,
  config: DecoderConfig,
  provider: ExecutionProvider,
  kvPrecision: KvPrecision = 'fp32',
): Promise<LoadedSessions> {
  const onDevice = provider.keepsTensorsOnDevice;
  if (kvPrecision === 'int8' && onDevice) {
    throw new RangeError(`an int8 cache is for the cpu provider, not for ${provider.name}`);
  }
  if (kvPrecision === 'fp16') await requireHalf(provider);
  const cacheFormat = kvPrecision === 'int8' ? await provider.integerCodes() : 'fp32';
  const deviceType = kvPrecision === 'fp16' ? 'float16' : 'float32';
  const open: Session[] = [];
  let memory: KvMemory | undefined;
  const release = async (): Promise<void> => {
    memory?.close();
    for (const session of open.splice(0)) await session.release();
  };
  const remember = async (session: Promise<Session>): Promise<Session> => {
    open.push(await session);
    return session;
  };
  const fromFile = (name: string, onDevice: readonly string[] = []): Promise<Session> => {
    const settings = { asWritten: provider.prepare !== undefined, onDevice };
    return remember(provider.createSession({ path: join(built.dir, `${name}.onnx`) }, settings));
  };
  const fromBytes = (bytes: Uint8Array, settings: SessionSettings = {}): Promise<Session> =>
    remember(provider.createSession({ bytes }, settings));
  const hostMemory = async (): Promise<KvMemory> => {
    const decode: { width: number; session: Session }[] = [];
    for (const width of DECODE_WIDTHS) {
      decode.push({
        width,
        session: await fromBytes(decodeAttention(config, width, cacheFormat), { asWritten: true }),
      });
    }
    const prefill = await fromBytes(prefillAttention(config));
    return new HostMemory({ heads: config.kvHeads, dim: config.headDim }, { prefill, decode }, cacheFormat);
  };
  try {
    const hasVision = existsSync(join(built.dir, `${VISION_GRAPH}.onnx`));
    const vision = hasVision ? await fromFile(VISION_GRAPH) : undefined;
    const stages: Session[] = [];
    for (let stage = 0; stage <= config.layers; stage++) {
      stages.push(await fromFile(stageGraph(stage), activations(stage, config)));
    }
    memory = onDevice ? await DeviceMemory.open(config, provider, remember, deviceType) : await hostMemory();
    const ahead = onDevice ? ['importance'] : [];
    const importance = await fromBytes(importanceScore(config, deviceType), { onDevice: ahead });
    const read = onDevice
      ? {
          likeliest: await fromBytes(likeliestOfBlocks(config.vocabSize)),
          logits: await fromBytes(readMatrix(config.vocabSize)),
          addImportance: await fromBytes(importanceScore(config, deviceType, true), { onDevice: ahead }),
          importance: await fromBytes(readMatrix('tokens')),
        }
      : undefined;
    const sum = config.visualLayers
      ? { visualSum: await fromBytes(visualSum(config.hiddenSize), { asWritten: true, onDevice: ['y'] }) }
      : {};
    // Some GPU kernels divide by the number of rows.
    const idleRows = provider.name === 'cpu' ? 0 : 1;
    return {
      decoder: { stages, importance, ...sum, ...(read && { read }), memory, idleRows },
      vision,
      cacheFormat,
      release,
    };
  } catch (error) {
    await release();
    throw error;
  }
}

/** Outputs of a stage that another run takes: all. */
function activations(stage: number, { layers }: DecoderConfig): string[] {
  return [...(stage === 0 ? [] : ['y']), ...(stage === layers ? ['logits'] : ['q', 'k', 'v'])];
}
