import {
  deviceAttention,
  deviceDownload,
  deviceEmpty,
  deviceEvict,
  deviceGrow,
  deviceScratch,
  deviceUpload,
  pickRows,
  type AttentionShape,
  type DeviceCacheType,
} from '@madakv/models';
import { release, Tensor, viewOf, type ExecutionProvider, type Session, type Tensors } from '@madakv/onnx';
import { GROWTH_ROWS, type DeviceLayerCache } from './device.layer.cache.js';
import { count, DevicePromptBuffer, type DevicePromptSessions } from './device.prompt.buffer.js';
import type { KvLedger } from './kv.ledger.js';
import type { KvMemory, KvShape, Projections, PromptBuffer } from './kv.memory.js';

interface DeviceSessions extends DevicePromptSessions {
  readonly grow: Session;
  readonly pickRows: Session;
  readonly scratch: Session;
}

/** Opens a session and sees to its release. */
type Open = (graph: Uint8Array, onDevice?: readonly string[]) => Promise<Session>;

const BOTH = ['keys', 'values'];

/**
 * Caches in a device's memory. Runs write new rows into them in place; only merging reads one back. Runs are put in the device's queue one
 * behind the other and nobody waits for them, so that one may take tensors that an earlier one has yet to write.
 */
export class DeviceMemory implements KvMemory {
  readonly packsRows = false;
  /** A copy would have to stay on the device, in memory that nothing but leases gives out. */
  readonly keepsRows = false;
  private readonly kv: KvShape;
  /** Decode attentions by width. */
  private readonly decode = new Map<number, Session>();
  /** Where attentions are written to, of a prompt's chunks and of decoding sequences. */
  private readonly room = new Map<'chunk' | 'step', Tensor>();

  private constructor(
    private readonly shape: AttentionShape,
    private readonly type: DeviceCacheType,
    private readonly sessions: DeviceSessions,
    private readonly openSession: Open,
  ) {
    this.kv = { heads: shape.kvHeads, dim: shape.headDim };
  }

  /**
   * @param remember sees to the release of every session that is opened, now or later
   * @param type of the caches' numbers
   */
  static async open(
    shape: AttentionShape,
    provider: ExecutionProvider,
    remember: (session: Promise<Session>) => Promise<Session>,
    type: DeviceCacheType = 'float32',
  ): Promise<DeviceMemory> {
    const open: Open = (bytes, onDevice = []) =>
      remember(provider.createSession({ bytes }, { asWritten: true, onDevice }));
    const sessions = {
      prefill: await open(deviceAttention(shape, 'chunk', type)),
      empty: await open(deviceEmpty(type), BOTH),
      evict: await open(deviceEvict(shape, type), BOTH),
      grow: await open(deviceGrow(shape, GROWTH_ROWS, type), BOTH),
      download: await open(deviceDownload(shape, type)),
      upload: await open(deviceUpload(shape, type), BOTH),
      pickRows: await open(pickRows(shape.heads * shape.headDim), ['picked']),
      scratch: await open(deviceScratch(), ['scratch']),
    };
    return new DeviceMemory(shape, type, sessions, open);
  }

  newPromptBuffer(tokens: number, ledger: KvLedger): PromptBuffer {
    return new DevicePromptBuffer(this.kv, tokens, ledger, this.sessions, (rows) => this.scratch('chunk', rows));
  }

  /** What is returned is good until the next attention. */
  async attend({ q, k, v }: Projections, caches: readonly DeviceLayerCache[]): Promise<Tensor> {
    for (const cache of caches) if (cache.isFull) await this.grow(cache);
    const session = await this.decodeSession(caches.length);
    const feeds: Tensors = { q, k, v };
    const attn = await this.scratch('step', caches.length);
    const into: Tensors = { attn };
    caches.forEach(({ keys, values, rows }, b) => {
      Object.assign(feeds, { [`keys_${b}`]: keys, [`values_${b}`]: values });
      Object.assign(feeds, { [`last_${b}`]: count(rows), [`total_${b}`]: count(rows + 1) });
      Object.assign(into, { [`new_keys_${b}`]: keys, [`new_values_${b}`]: values });
    });
    await session.run(feeds, into);
    for (const cache of caches) cache.appended();
    return viewOf(attn, attn.dims);
  }

  async pickRows(matrix: Tensor, rows: Int32Array): Promise<Tensor> {
    const { picked } = await this.sessions.pickRows.run({ matrix, rows: new Tensor('int32', rows, [rows.length]) });
    return picked;
  }

  /** Frees what is no cache; caches are their owners'. */
  close(): void {
    for (const tensor of this.room.values()) release(tensor);
    this.room.clear();
  }

  private async grow(cache: DeviceLayerCache): Promise<void> {
    const { keys, values } = await this.sessions.grow.run({ from_keys: cache.keys, from_values: cache.values });
    cache.grow(keys, values);
  }

  /** Opened when a batch of that width first decodes. */
  private async decodeSession(width: number): Promise<Session> {
    const known = this.decode.get(width);
    if (known !== undefined) return known;
    const session = await this.openSession(deviceAttention(this.shape, width, this.type));
    this.decode.set(width, session);
    return session;
  }

  private async scratch(of: 'chunk' | 'step', rows: number): Promise<Tensor> {
    const known = this.room.get(of);
    if (known?.dims[0] === rows) return known;
    if (known !== undefined) release(known);
    this.room.delete(of);
    const shape = new Tensor('int64', BigInt64Array.from([rows, this.shape.heads * this.shape.headDim], BigInt), [2]);
    const { scratch } = await this.sessions.scratch.run({ shape });
    this.room.set(of, scratch);
    return scratch;
  }
}
