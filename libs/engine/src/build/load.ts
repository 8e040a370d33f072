import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { decodeAttention, importanceScore, prefillAttention, type DecoderConfig } from '@madakv/models';
import type { ExecutionProvider, Session } from '@madakv/onnx';
import type { DecoderSessions } from '../decoder/decoder.js';
import { HostMemory } from '../kv/host.memory.js';
import { stageGraph, VISION_GRAPH, type BuiltModel } from './built.model.js';

/** Sequences one decode attention takes at once; other numbers are made up of these. */
const DECODE_WIDTHS = [8, 4, 2, 1];

export interface LoadedSessions {
  readonly decoder: DecoderSessions;
  /** Absent for a model that was built without its vision tower. */
  readonly vision: Session | undefined;
  release(): Promise<void>;
}

/** Opens all sessions of a built model. Releases those already open if one fails. */
export async function loadSessions(
  built: BuiltModel,
  config: DecoderConfig,
  provider: ExecutionProvider,
): Promise<LoadedSessions> {
  const open: Session[] = [];
  const release = async (): Promise<void> => {
    for (const session of open.splice(0)) await session.release();
  };
  const remember = async (session: Promise<Session>): Promise<Session> => {
    open.push(await session);
    return session;
  };
  const fromFile = (name: string): Promise<Session> =>
    remember(
      provider.createSession({ path: join(built.dir, `${name}.onnx`) }, { asWritten: provider.prepare !== undefined }),
    );
  const fromBytes = (bytes: Uint8Array, asWritten = false): Promise<Session> =>
    remember(provider.createSession({ bytes }, { asWritten }));
  try {
    const hasVision = existsSync(join(built.dir, `${VISION_GRAPH}.onnx`));
    const vision = hasVision ? await fromFile(VISION_GRAPH) : undefined;
    const stages: Session[] = [];
    for (let stage = 0; stage <= config.layers; stage++) stages.push(await fromFile(stageGraph(stage)));
    const decode: { width: number; session: Session }[] = [];
    for (const width of DECODE_WIDTHS)
      decode.push({ width, session: await fromBytes(decodeAttention(config, width), true) });
    const prefill = await fromBytes(prefillAttention(config));
    const importance = await fromBytes(importanceScore(config));
    const memory = new HostMemory({ heads: config.kvHeads, dim: config.headDim }, { prefill, decode });
    return { decoder: { stages, importance, memory, idleRows: 0 }, vision, release };
  } catch (error) {
    await release();
    throw error;
  }
}
