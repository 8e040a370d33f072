import { rotaryTable, type RotaryTable } from '@madakv/models';
import { release, Tensor, TensorScope } from '@madakv/onnx';
import type { KvLedger } from '../kv/kv.ledger.js';
import type { Projections, PromptBuffer } from '../kv/kv.memory.js';
import type { Decoder } from './decoder.js';
import { LayerScoring } from './layer.scoring.js';
import { visualOf, visualRowsIn } from './visual.rows.js';
import {
  MemberState,
  type PrefillGroup,
  type PrefillOutcome,
  type PromptRows,
  type VisualRows,
} from './prefill.group.js';
import { planRuns, rowsOf, type Piece, type Run } from './prefill.plan.js';

export interface PrefillOptions {
  /** Prompt tokens a run takes at once. */
  readonly chunkTokens: number;
  /**
   * `layer`: all runs through a layer before the next, evicting in between; one layer is held in full at a time.
   * `chunk`: each run through all layers, evicting at the end; the usual order, which holds all layers in full. For a prompt by
   * itself only.
   */
  readonly order: 'layer' | 'chunk';
}

/** A unit of work is done: a run has passed a layer. Between two, other work may be done. */
export type PrefillProgress = Readonly<{ done: number; total: number }>;

/** A run on its way through the layers. */
interface Travelling {
  readonly run: Run;
  readonly rotary: RotaryTable;
  /** `[rows, hidden]`, the run's own */
  x: Tensor;
  /** Features of images that are added to its rows, by row of the run. */
  readonly visual: readonly VisualRows[];
}

/** A layer under way: its cache in full, and what is watched in it. */
interface OpenLayer {
  readonly layer: number;
  readonly buffer: PromptBuffer;
  readonly scoring: LayerScoring;
}

/**
 * Runs prompts that begin alike through the decoder and evicts every layer's cache down to what each member's selector keeps.
 *
 * What they share passes each layer once. Then the branches follow, their rows in common runs, each with the shared rows before it
 * and its own over those of the branch before: what one layer takes in full is the longest prompt. A member keeps exactly what
 * it keeps by itself, since what passes through a layer does not depend on what was kept of the layers before. For the same reason
 * rows that are resident from another prefill stand for those that would be computed.
 *
 * Frees everything it allocated if it fails or is abandoned with `return()`.
 * @param ledger is charged for the full layer; members' own ledgers for what they keep
 * @returns one outcome for each member, branch after branch
 */
export async function* prefill(
  decoder: Decoder,
  group: PrefillGroup,
  ledger: KvLedger,
  options: PrefillOptions,
): AsyncGenerator<PrefillProgress, PrefillOutcome[]> {
  const work = new GroupPrefill(decoder, group, ledger, options);
  let finished = false;
  try {
    yield* options.order === 'layer' ? work.layerMajor() : work.chunkMajor();
    finished = true;
    return work.outcomes();
  } finally {
    work.close(finished);
  }
}

class GroupPrefill {
  private readonly branches: readonly { readonly tokens: number; readonly members: readonly MemberState[] }[];
  private readonly members: readonly MemberState[];
  private readonly travelling: Travelling[];
  private readonly buffers: PromptBuffer[] = [];
  private readonly open = new Set<LayerScoring>();
  /** Tokens that all prompts begin with, the resident ones among them. */
  private readonly shared: number;
  /** Tokens of the longest prompt. */
  private readonly longest: number;
  /** 0, 1, 2, ...: what scoring compares the queries' positions with. */
  private readonly index: Float32Array;
  private forwardMs = 0;
  private done = 0;

  constructor(
    private readonly decoder: Decoder,
    private readonly group: PrefillGroup,
    private readonly ledger: KvLedger,
    options: PrefillOptions,
  ) {
    const { resident = { tokens: 0 }, shared, branches } = group;
    this.shared = resident.tokens + shared.rows;
    this.branches = branches.map(({ own, members }) => ({
      tokens: this.shared + own.rows,
      members: members.map((member) => new MemberState(member)),
    }));
    this.members = this.branches.flatMap(({ members }) => members);
    const tokens = this.branches.map((branch) => branch.tokens);
    const shape = { resident: resident.tokens, shared: this.shared, tokens };
    const runs = planRuns(shape, options.chunkTokens, decoder.memory.packsRows);
    this.travelling = runs.map((run) => this.embark(run));
    this.longest = Math.max(...tokens);
    this.index = Float32Array.from({ length: this.longest }, (_, i) => i);
  }

  async *layerMajor(): AsyncGenerator<PrefillProgress, void> {
    const buffer = this.newBuffer();
    for (let layer = 0; layer < this.decoder.config.layers; layer++) {
      const startedAt = performance.now();
      buffer.reset();
      this.begin(layer, buffer);
      const open = this.openLayer(layer, buffer);
      for (const each of this.travelling) {
        if (!this.members.some(({ active }) => active)) return;
        await this.pass(each, open);
        yield this.progress();
      }
      if (!this.members.some(({ active }) => active)) return;
      this.keep(buffer);
      this.closeLayer(open);
      const endedAt = performance.now();
      for (const state of this.members) if (state.active) state.member.onLayer?.(layer, startedAt, endedAt);
    }
  }

  async *chunkMajor(): AsyncGenerator<PrefillProgress, void> {
    const { resident, keeper } = this.group;
    if (resident !== undefined || keeper !== undefined) throw new Error('rows are kept layer by layer only');
    if (this.members.length > 1) throw new Error('only a prompt by itself can be prefilled chunk by chunk');
    const { layers } = this.decoder.config;
    const open = Array.from({ length: layers }, (_, layer) => this.openLayer(layer, this.newBuffer()));
    for (const each of this.travelling) {
      for (let layer = 0; layer < layers; layer++) {
        if (!this.members[0].active) return;
        await this.pass(each, open[layer], false);
        yield this.progress();
      }
    }
    for (const each of open) {
      await this.evict(0, each);
      this.closeLayer(each);
      each.buffer.free();
    }
  }

  outcomes(): PrefillOutcome[] {
    return this.members.map((member) => member.outcome(this.forwardMs));
  }

  close(keepCaches: boolean): void {
    for (const buffer of this.buffers) buffer.free();
    for (const { x } of this.travelling) release(x);
    for (const scoring of this.open) scoring.free();
    if (!keepCaches) for (const member of this.members) member.free();
  }

  /** Resident rows stand in the buffer as if they had passed. */
  private begin(layer: number, buffer: PromptBuffer): void {
    const { resident } = this.group;
    if (resident === undefined) return;
    const started = performance.now();
    buffer.load(resident.layers[layer], resident.tokens);
    buffer.mark();
    this.forwardMs += performance.now() - started;
  }

  private keep(buffer: PromptBuffer): void {
    const started = performance.now();
    this.group.keeper?.take(buffer);
    this.forwardMs += performance.now() - started;
  }

  /** One run through one layer. */
  private async pass(travelling: Travelling, open: OpenLayer, evicts = true): Promise<void> {
    const { run, rotary, x } = travelling;
    const { layer } = open;
    const scope = new TensorScope();
    try {
      const projections = scope.holdAll(await this.timed(() => this.decoder.beginLayer(layer, x, rotary)));
      const attention = await this.attend(run, x, projections, open, scope, evicts);
      if (layer + 1 === this.decoder.config.layers) return;
      const passed = await this.timed(() => this.decoder.endLayer(layer, x, attention));
      release(x);
      travelling.x = passed;
      await this.addVisual(travelling, layer);
    } finally {
      scope.close();
    }
  }

  private async addVisual(travelling: Travelling, layer: number): Promise<void> {
    const { x, visual } = travelling;
    const added = visualOf(visual, layer, x.dims);
    if (added === undefined) return;
    travelling.x = await this.timed(() => this.decoder.addVisual(x, added));
    release(x);
  }

  /** Attention of a run's pieces one after the other. @returns `[rows, heads * dim]`, of no use in the last layer */
  private async attend(
    run: Run,
    x: Tensor,
    projections: Projections,
    open: OpenLayer,
    scope: TensorScope,
    evicts: boolean,
  ): Promise<Tensor> {
    if (run.length === 1) return this.passPiece(run[0], x, projections, open, scope, evicts);
    const columns = this.decoder.queryWidth;
    const joined = new Float32Array(rowsOf(run) * columns);
    let at = 0;
    for (const piece of run) {
      const to = at + piece.end - piece.start;
      const own = {
        q: rowsBetween(projections.q, at, to),
        k: rowsBetween(projections.k, at, to),
        v: rowsBetween(projections.v, at, to),
      };
      const attention = await this.passPiece(piece, rowsBetween(x, at, to), own, open, scope, evicts);
      if (attention !== own.q) joined.set(attention.data as Float32Array, at * columns);
      at = to;
    }
    return new Tensor('float32', joined, [at, columns]);
  }

  /** @returns attention `[rows, heads * dim]`; the queries themselves where nobody needs it */
  private async passPiece(
    piece: Piece,
    x: Tensor,
    projections: Projections,
    { layer, buffer, scoring }: OpenLayer,
    scope: TensorScope,
    evicts: boolean,
  ): Promise<Tensor> {
    const { branch, first, last } = piece;
    const members = branch === undefined ? this.members : this.branches[branch].members;
    if (branch !== undefined && first) buffer.rewind();
    if (!members.some(({ active }) => active)) return projections.q;
    const inLastLayer = layer + 1 === this.decoder.config.layers;
    const wantLogits =
      branch === undefined || !last ? [] : members.filter(({ active, member }) => active && member.logits);
    let attention = projections.q;
    if (inLastLayer && wantLogits.length === 0) {
      // After the last layer only the logits are of use, so attention and MLP are skipped where none are wanted.
      await this.timed(() => buffer.append(projections));
    } else {
      attention = scope.hold(await this.timed(() => buffer.attend(projections)));
      if (inLastLayer) {
        const logits = await this.timed(() => this.decoder.logits(x, attention, piece.end - piece.start - 1));
        // Sampling changes logits, so each member has its own.
        for (const state of wantLogits) state.logits = logits.slice();
      }
    }
    if (branch === undefined) {
      await scoring.seeShared(projections.q, piece, buffer.allKeys());
      if (last) buffer.mark();
    } else {
      await scoring.see(projections.q, piece, buffer.allKeys());
      if (last && evicts) await this.evict(branch, { layer, buffer, scoring });
    }
    return attention;
  }

  private async evict(branch: number, { layer, buffer, scoring }: OpenLayer): Promise<void> {
    for (const { member: state, importance } of scoring.take(branch)) {
      if (!state.active) continue;
      const started = performance.now();
      const { selector, ledger } = state.member;
      try {
        const selection = selector.select(layer, importance);
        state.caches.push(await buffer.evict(selection, ledger));
        state.report.selections.push(selection);
      } catch (error) {
        state.fail(error);
      }
      // The full layer is there for the member too, whoever is charged for it.
      if (ledger !== this.ledger) ledger.witness(this.ledger.bytes);
      state.report.evictMs += performance.now() - started;
    }
  }

  private openLayer(layer: number, buffer: PromptBuffer): OpenLayer {
    const scoring = new LayerScoring(this.decoder, this.shared, this.branches, this.index);
    this.open.add(scoring);
    return { layer, buffer, scoring };
  }

  private closeLayer({ scoring }: OpenLayer): void {
    scoring.free();
    this.open.delete(scoring);
  }

  private newBuffer(): PromptBuffer {
    const buffer = this.decoder.memory.newPromptBuffer(this.longest, this.ledger);
    this.buffers.push(buffer);
    return buffer;
  }

  /** Gathers what a run takes from its pieces' prompts. */
  private embark(run: Run): Travelling {
    const { axes } = this.group;
    const { config } = this.decoder;
    const rows = rowsOf(run);
    const embeddings = new Float32Array(rows * config.hiddenSize);
    const positions = new Int32Array(axes * rows);
    const visual: VisualRows[] = [];
    let at = 0;
    for (const { branch, start, end } of run) {
      const { source, offset } = this.sourceOf(branch);
      const [from, to] = [start - offset, end - offset];
      embeddings.set(
        source.embeddings.subarray(from * config.hiddenSize, to * config.hiddenSize),
        at * config.hiddenSize,
      );
      for (let axis = 0; axis < axes; axis++) {
        const line = axis * source.rows;
        positions.set(source.positions.subarray(line + from, line + to), axis * rows + at);
      }
      visual.push(...visualRowsIn(source.visual ?? [], { from, to, at }, config.hiddenSize));
      at += to - from;
    }
    return {
      run,
      visual,
      rotary: rotaryTable(config, positions, axes),
      x: new Tensor('float32', embeddings, [rows, config.hiddenSize]),
    };
  }

  /** Where a branch's rows come from, and how many tokens of its prompt stand before them. */
  private sourceOf(branch: number | undefined): { readonly source: PromptRows; readonly offset: number } {
    const { shared, branches } = this.group;
    if (branch === undefined) return { source: shared, offset: this.shared - shared.rows };
    return { source: branches[branch].own, offset: this.shared };
  }

  private async timed<T>(work: () => Promise<T>): Promise<T> {
    const started = performance.now();
    const result = await work();
    this.forwardMs += performance.now() - started;
    return result;
  }

  private progress(): PrefillProgress {
    this.done++;
    return { done: this.done, total: this.decoder.config.layers * this.travelling.length };
  }
}

/** Rows `[from, to)` of a matrix in JavaScript's memory, in place. */
function rowsBetween(matrix: Tensor, from: number, to: number): Tensor {
  const columns = matrix.dims[1];
  const data = (matrix.data as Float32Array).subarray(from * columns, to * columns);
  return new Tensor('float32', data, [to - from, columns]);
}
