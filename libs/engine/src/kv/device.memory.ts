import {
  deviceAppend,
  deviceDecodeAttention,
  deviceDownload,
  deviceEvict,
  deviceFold,
  devicePrefillAttention,
  pickRows,
  type AttentionShape,
} from '@madakv/models';
import { Tensor, type ExecutionProvider, type Session, type Tensors } from '@madakv/onnx';
import type { DeviceLayerCache } from './device.layer.cache.js';
import { DevicePromptBuffer, type DevicePromptSessions } from './device.prompt.buffer.js';
import type { KvLedger } from './kv.ledger.js';
import type { KvMemory, KvShape, Projections, PromptBuffer } from './kv.memory.js';

interface DeviceSessions extends DevicePromptSessions {
  readonly fold: Session;
  readonly pickRows: Session;
}

/** Opens a session and sees to its release. */
type Open = (graph: Uint8Array, onDevice: readonly string[]) => Promise<Session>;

const BOTH = ['keys', 'values'];

/** Caches in a device's memory. They come as results of runs and are fed to the next ones; only merging reads them back. */
export class DeviceMemory implements KvMemory {
  readonly packsRows = false;
  /** A copy would have to stay on the device, in memory that nothing but leases gives out. */
  readonly keepsRows = false;
  private readonly kv: KvShape;
  /** Decode attentions by width. */
  private readonly decode = new Map<number, Session>();

  private constructor(
    private readonly shape: AttentionShape,
    private readonly sessions: DeviceSessions,
    private readonly openSession: Open,
  ) {
    this.kv = { heads: shape.kvHeads, dim: shape.headDim };
  }

  /** @param remember sees to the release of every session that is opened, now or later */
  static async open(
    shape: AttentionShape,
    provider: ExecutionProvider,
    remember: (session: Promise<Session>) => Promise<Session>,
  ): Promise<DeviceMemory> {
    const open: Open = (bytes, onDevice) => remember(provider.createSession({ bytes }, { asWritten: true, onDevice }));
    const sessions = {
      prefill: await open(devicePrefillAttention(shape), ['attn', ...BOTH]),
      append: await open(deviceAppend(shape), BOTH),
      evict: await open(deviceEvict(shape), BOTH),
      fold: await open(deviceFold(shape), BOTH),
      download: await open(deviceDownload(shape), []),
      pickRows: await open(pickRows(shape.heads * shape.headDim), ['picked']),
    };
    return new DeviceMemory(shape, sessions, open);
  }

  newPromptBuffer(_tokens: number, ledger: KvLedger): PromptBuffer {
    return new DevicePromptBuffer(this.kv, ledger, this.sessions);
  }

  async attend({ q, k, v }: Projections, caches: readonly DeviceLayerCache[]): Promise<Tensor> {
    for (const cache of caches) if (cache.tailIsFull) await this.fold(cache);
    const session = await this.decodeSession(caches.length);
    const feeds: Tensors = { q, k, v };
    caches.forEach((cache, b) => {
      const { keys, values, tailKeys, tailValues } = cache.feeds();
      feeds[`keys_${b}`] = keys;
      feeds[`values_${b}`] = values;
      feeds[`tail_keys_${b}`] = tailKeys;
      feeds[`tail_values_${b}`] = tailValues;
    });
    const results = await session.run(feeds);
    caches.forEach((cache, b) => {
      cache.replaceTail(results[`new_tail_keys_${b}`], results[`new_tail_values_${b}`]);
    });
    return results['attn'];
  }

  async pickRows(matrix: Tensor, rows: Int32Array): Promise<Tensor> {
    const { picked } = await this.sessions.pickRows.run({ matrix, rows: new Tensor('int32', rows, [rows.length]) });
    return picked;
  }

  private async fold(cache: DeviceLayerCache): Promise<void> {
    const { keys, values, tailKeys, tailValues } = cache.feeds();
    const { keys: allKeys, values: allValues } = await this.sessions.fold.run({
      part_keys: keys,
      part_values: values,
      tail_keys: tailKeys,
      tail_values: tailValues,
    });
    cache.replacePart(allKeys, allValues);
  }

  /** Opened when a batch of that width first decodes. */
  private async decodeSession(width: number): Promise<Session> {
    const known = this.decode.get(width);
    if (known !== undefined) return known;
    const tails = Array.from({ length: width }, (_, b) => BOTH.map((part) => `new_tail_${part}_${b}`)).flat();
    const session = await this.openSession(deviceDecodeAttention(this.shape, width), ['attn', ...tails]);
    this.decode.set(width, session);
    return session;
  }
}
