import type { LayerSelector } from '@madakv/madakv';
import type { Decoder } from './decoder/decoder.js';
import type { DecoderInputs } from './decoder/decoder.inputs.js';
import { prefill, type PrefillOptions, type PrefillProgress } from './decoder/prefill.js';
import type { PrefillMember, PrefillOutcome, PrefillResult, PromptRows } from './decoder/prefill.group.js';
import type { GenerationRequest } from './generation.js';
import type { Job } from './job.js';
import { KvLedger } from './kv/kv.ledger.js';
import { embedPrompt, imagesInOrder, placesIn, type TokenSpan } from './prompt.embedding.js';
import type { PrefillChoice } from './prefill.choice.js';
import { sharingOf } from './prefill.sharing.js';
import { samePrompt } from './prompt.beginning.js';
import { keptBeginning } from './resident/kept.beginning.js';
import type { ResidentDraft } from './resident/resident.draft.js';
import type { ResidentRows } from './resident/resident.rows.js';
import { Sequence } from './sequence.js';
import type { VisionEncoder } from './vision.encoder.js';

export interface GroupTools {
  readonly decoder: Decoder;
  readonly vision: VisionEncoder;
  readonly inputs: DecoderInputs;
  /** Of the engine. */
  readonly ledger: KvLedger;
  /** Absent where rows are not kept. */
  readonly residents: ResidentRows | undefined;
  readonly options: PrefillOptions;
}

/** A request that takes part: its policy has begun with it. */
interface Taking {
  readonly job: Job;
  readonly selector: LayerSelector;
}

/** Requests with one and the same prompt. */
interface Branch {
  readonly takers: readonly Taking[];
  own: PromptRows;
}

/** A request past its prefill. */
export interface Prefilled {
  readonly job: Job;
  readonly sequence: Sequence;
  /** `[vocab]` that the first token is chosen from, under the plain protocol. */
  readonly logits: Float32Array | undefined;
}

/** Runs requests whose prompts begin alike up to their first decode step. One that fails or is cancelled fails alone. */
export class GroupPrefill {
  private hasSeen = false;

  constructor(
    private readonly choice: PrefillChoice,
    private readonly tools: GroupTools,
  ) {}

  get jobs(): readonly Job[] {
    return this.choice.jobs;
  }

  /** Whether all images are encoded. */
  get seen(): boolean {
    return this.hasSeen;
  }

  /**
   * Jobs that do not come out have failed, and know it. Frees everything it allocated if it fails or is abandoned.
   *
   * Yields after each image as well, without progress to tell: a document's pages take as long as its prefill.
   */
  async *run(): AsyncGenerator<PrefillProgress | undefined, Prefilled[]> {
    const { resident } = this.choice;
    const release = resident?.entry.hold();
    let draft: ResidentDraft | undefined;
    try {
      const alike = branchesOf(this.start());
      const shared = alike.length > 1 ? this.choice.shared : 0;
      const { branches, prefix } = yield* this.embed(alike, shared);
      this.hasSeen = true;
      if (branches.length === 0) return [];
      const takers = branches.flatMap((branch) => branch.takers);
      const read = { requests: takers.length, branches: branches.length, shared };
      branches.forEach((each, branch) => {
        each.takers.forEach(({ job }, place) => {
          job.shares(sharingOf(this.choice, read, { tokens: job.layout.tokens, branch, place }));
        });
      });
      for (const { job } of takers) job.embedded();
      const alone = takers.length === 1;
      const ledger = alone ? takers[0].job.ledger : new KvLedger(this.tools.ledger);
      draft = this.keep(takers[0].job, shared);
      const group = {
        axes: takers[0].job.request.prompt.axes,
        ...(resident === undefined ? {} : { resident: { tokens: resident.tokens, layers: resident.entry.layers } }),
        shared: prefix,
        branches: branches.map((branch) => ({ own: branch.own, members: branch.takers.map(memberOf) })),
        ...(draft === undefined ? {} : { keeper: draft }),
      };
      const outcomes = yield* prefill(this.tools.decoder, group, ledger, this.tools.options);
      release?.();
      this.remember(takers, outcomes, draft);
      return takers.flatMap(({ job }, i) => this.settle(job, outcomes[i]));
    } finally {
      release?.();
      draft?.drop();
    }
  }

  /** Begins the policies' work; a request whose grant is too small fails here. */
  private start(): Taking[] {
    const taking: Taking[] = [];
    for (const job of this.jobs) {
      if (job.cancelled) {
        job.fail(job.cancelReason);
        continue;
      }
      try {
        job.started();
        taking.push({ job, selector: job.start() });
      } catch (error) {
        job.fail(error);
      }
    }
    return taking;
  }

  /** Encodes images and looks up tokens behind the resident ones: what is shared once, then each branch's own. */
  private async *embed(
    alike: readonly (readonly Taking[])[],
    shared: number,
  ): AsyncGenerator<undefined, { readonly prefix: PromptRows; readonly branches: Branch[] }> {
    const all = alike.flat();
    const before = this.choice.resident?.tokens ?? 0;
    const start = Math.max(before, shared);
    if (all.length === 0) return { prefix: NO_ROWS, branches: [] };
    let prefix = NO_ROWS;
    try {
      if (shared > before) prefix = yield* this.rows(all, all[0].job.request, { start: before, end: shared });
    } catch (error) {
      for (const { job } of all) job.fail(job.cancelled ? job.cancelReason : error);
      return { prefix, branches: [] };
    }
    const branches: Branch[] = [];
    for (const takers of alike) {
      const { request, layout } = takers[0].job;
      try {
        branches.push({ takers, own: yield* this.rows(takers, request, { start, end: layout.tokens }) });
      } catch (error) {
        for (const { job } of takers) job.fail(job.cancelled ? job.cancelReason : error);
      }
    }
    return { prefix, branches };
  }

  private async *rows(
    takers: readonly Taking[],
    { prompt }: GenerationRequest,
    span: TokenSpan,
  ): AsyncGenerator<undefined, PromptRows> {
    const features = new Map<number, Float32Array>();
    for (const place of placesIn(prompt, span)) {
      const started = performance.now();
      features.set(place, await this.encode(takers, place));
      for (const { job } of takers) job.saw(performance.now() - started);
      yield undefined;
    }
    const embedded = embedPrompt(prompt, span, this.tools.inputs, features);
    const rows = span.end - span.start;
    const positions = new Int32Array(prompt.axes * rows);
    for (let axis = 0; axis < prompt.axes; axis++) {
      const line = axis * prompt.inputIds.length;
      positions.set(prompt.positions.subarray(line + span.start, line + span.end), axis * rows);
    }
    return { rows, positions, ...embedded };
  }

  /**
   * Features of an image that all takers have at that place. Pixels may come from a request's own caller, who takes them along when
   * the request is cancelled: then the next one's are asked for.
   */
  private async encode(takers: readonly Taking[], place: number): Promise<Float32Array> {
    for (const { job } of takers) {
      if (isCancelled(job)) continue;
      try {
        const images = imagesInOrder(job.request.prompt);
        return await this.tools.vision.encode(images[place], images.at(place + 1));
      } catch (error) {
        if (!isCancelled(job)) throw error;
      }
    }
    throw takers[0].job.cancelReason;
  }

  /** Begins to keep what a later question may begin with too. */
  private keep(first: Job, shared: number): ResidentDraft | undefined {
    const { residents } = this.tools;
    const kept = keptBeginning(first.request.prompt, shared === 0 ? undefined : shared);
    return residents?.begin(first.prompt, kept);
  }

  /** What was read is a document of those whose prefill came to its end. */
  private remember(
    takers: readonly Taking[],
    outcomes: readonly PrefillOutcome[],
    draft: ResidentDraft | undefined,
  ): void {
    const read = takers.filter((_, i) => outcomes[i].kind === 'done');
    if (read.length === 0) return;
    const documentKeys = read.flatMap(({ job }) => job.request.documentKey ?? []);
    const { resident } = this.choice;
    if (resident !== undefined) this.tools.residents?.use(resident.entry, documentKeys);
    draft?.complete(documentKeys);
  }

  private settle(job: Job, outcome: PrefillOutcome): Prefilled[] {
    if (outcome.kind !== 'done') {
      job.fail(outcome.kind === 'failed' ? outcome.error : job.cancelReason);
      return [];
    }
    try {
      return [{ job, sequence: this.sequenceOf(job, outcome.result), logits: outcome.result.logits }];
    } catch (error) {
      // The prefill has handed its caches over; nobody else would free them.
      for (const cache of outcome.result.caches) cache.free();
      job.fail(error);
      return [];
    }
  }

  private sequenceOf(job: Job, { caches, report }: PrefillResult): Sequence {
    const { inputs } = this.tools;
    job.prefilled(report);
    const newest = lastPromptToken(job.request);
    return new Sequence(job.request, caches, job.ledger, inputs.newDetokenizer(), inputs.eosIds, newest);
  }
}

/** Asked anew after every wait. */
const isCancelled = (job: Job): boolean => job.cancelled;

const NO_ROWS: PromptRows = { rows: 0, embeddings: new Float32Array(0), positions: new Int32Array(0) };

function memberOf({ job, selector }: Taking): PrefillMember {
  return {
    observation: job.observation,
    selector,
    ledger: job.ledger,
    logits: job.layout.heldBack === 0,
    abandoned: () => job.cancelled,
    onLayer: (layer, startedAt, endedAt) => {
      job.layerDone(layer, startedAt, endedAt);
    },
  };
}

/** Requests with equal prompts together, in the order of the first of each. */
function branchesOf(taking: readonly Taking[]): Taking[][] {
  const branches: Taking[][] = [];
  for (const each of taking) {
    const known = branches.find(([{ job }]) => samePrompt(job.prompt, each.job.prompt));
    if (known === undefined) branches.push([each]);
    else known.push(each);
  }
  return branches;
}

function lastPromptToken({ prompt }: GenerationRequest): { id: number; position: Int32Array } {
  const tokens = prompt.inputIds.length;
  const position = Int32Array.from({ length: prompt.axes }, (_, axis) => prompt.positions[axis * tokens + tokens - 1]);
  return { id: prompt.inputIds[tokens - 1], position };
}
