import { Tensor, type Session } from '@madakv/onnx';
import type { HostLayerCache } from './host.layer.cache.js';
import type { KvFormat } from './kept.part.js';
import { HostPromptBuffer } from './host.prompt.buffer.js';
import type { KvLedger } from './kv.ledger.js';
import type { KvMemory, KvShape, Projections, PromptBuffer } from './kv.memory.js';

/** Sessions of the attentions that read caches in JavaScript's memory. They have no weights and serve all layers. */
export interface HostSessions {
  /** `prefillAttention` */
  readonly prefill: Session;
  /** `decodeAttention` by width, widest first; the last has width 1. Written for the caches' format. */
  readonly decode: readonly { readonly width: number; readonly session: Session }[];
}

/** Caches in JavaScript's memory. CPU sessions read them in place; other providers copy them at every run. */
export class HostMemory implements KvMemory {
  readonly packsRows = true;
  readonly keepsRows = true;

  constructor(
    private readonly shape: KvShape,
    private readonly sessions: HostSessions,
    private readonly format: KvFormat = 'fp32',
  ) {}

  newPromptBuffer(tokens: number, ledger: KvLedger): PromptBuffer {
    return new HostPromptBuffer(this.shape, tokens, ledger, this.sessions.prefill, this.format);
  }

  /** Takes batches of the widths that exist. */
  async attend(fresh: Projections, caches: readonly HostLayerCache[]): Promise<Tensor> {
    const attention = await this.attention(fresh, caches);
    const keys = fresh.k.data as Float32Array;
    const values = fresh.v.data as Float32Array;
    const width = fresh.k.dims[1];
    caches.forEach((cache, row) => {
      cache.append(keys.subarray(row * width, (row + 1) * width), values.subarray(row * width, (row + 1) * width));
    });
    return attention;
  }

  pickRows(matrix: Tensor, rows: Int32Array): Promise<Tensor> {
    const columns = matrix.dims[1];
    const data = matrix.data as Float32Array;
    const picked = new Float32Array(rows.length * columns);
    rows.forEach((row, i) => {
      picked.set(data.subarray(row * columns, (row + 1) * columns), i * columns);
    });
    return Promise.resolve(new Tensor('float32', picked, [rows.length, columns]));
  }

  close(): void {
    // All that it allocates is a cache's.
  }

  private async attention(fresh: Projections, caches: readonly HostLayerCache[]): Promise<Tensor> {
    const columns = fresh.q.dims[1];
    const output = new Float32Array(caches.length * columns);
    for (let start = 0; start < caches.length;) {
      const entry = this.sessions.decode.find(({ width }) => width <= caches.length - start);
      if (entry === undefined) throw new Error('no decode attention of width 1');
      const end = start + entry.width;
      const part = await attendBatch(entry.session, fresh, caches, start, end);
      if (end - start === caches.length) return part;
      output.set(part.data as Float32Array, start * columns);
      start = end;
    }
    return new Tensor('float32', output, [caches.length, columns]);
  }
}

async function attendBatch(
  session: Session,
  fresh: Projections,
  caches: readonly HostLayerCache[],
  start: number,
  end: number,
): Promise<Tensor> {
  const rows = (matrix: Tensor): Tensor => {
    const columns = matrix.dims[1];
    const data = (matrix.data as Float32Array).subarray(start * columns, end * columns);
    return new Tensor('float32', data, [end - start, columns]);
  };
  const feeds: Record<string, Tensor> = { q: rows(fresh.q), k: rows(fresh.k), v: rows(fresh.v) };
  for (let b = start; b < end; b++) {
    const cache = caches[b].feeds();
    feeds[`keys_${b - start}`] = cache.keys;
    feeds[`values_${b - start}`] = cache.values;
    feeds[`tail_keys_${b - start}`] = cache.tailKeys;
    feeds[`tail_values_${b - start}`] = cache.tailValues;
    if (cache.keyScales !== undefined) feeds[`key_scales_${b - start}`] = cache.keyScales;
    if (cache.valueScales !== undefined) feeds[`value_scales_${b - start}`] = cache.valueScales;
  }
  return (await session.run(feeds))['attn'];
}
