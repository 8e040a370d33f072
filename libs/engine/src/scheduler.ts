import { decodeLikeliest, decodeStep } from './decoder/decode.step.js';
import type { Decoder } from './decoder/decoder.js';
import type { DecoderInputs } from './decoder/decoder.inputs.js';
import type { PrefillOptions, PrefillProgress } from './decoder/prefill.js';
import type { GenerationControl, GenerationRequest, GenerationResult } from './generation.js';
import { GroupPrefill, type GroupTools, type Prefilled } from './group.prefill.js';
import { Job } from './job.js';
import type { KvLedger } from './kv/kv.ledger.js';
import type { KvGeometry } from './kv/kv.need.js';
import { choosePrefill } from './prefill.choice.js';
import type { ResidentRows } from './resident/resident.rows.js';
import { imagesInOrder } from './prompt.embedding.js';
import type { Sequence } from './sequence.js';
import type { VisionEncoder } from './vision.encoder.js';

export interface SchedulerSettings {
  /** Prompt tokens a prefill run takes at once. */
  readonly chunkTokens: number;
  /** Sequences that decode together; further ones wait before their prefill. */
  readonly maxSequences: number;
  readonly prefillOrder: PrefillOptions['order'];
  /** Requests whose prompts begin alike that are prefilled together at most; 1 for each by itself. */
  readonly maxGroup: number;
}

/**
 * Continuous batching: in every round one unit of the prefill that is under way (an image, a run through a layer) and one decode step of all
 * running sequences. Sequences join after their prefill and leave when they end; nobody waits for a batch to fill or to finish.
 * Those that wait when a prefill begins and whose prompts begin like its own are prefilled with it, behind resident rows where there
 * are any.
 *
 * Only this loop calls sessions, one run at a time.
 */
export class Scheduler {
  private readonly waiting: Job[] = [];
  private readonly running: { readonly job: Job; readonly sequence: Sequence }[] = [];
  private prefilling:
    | { readonly group: GroupPrefill; readonly steps: AsyncGenerator<PrefillProgress | undefined, Prefilled[]> }
    | undefined;
  /** The one whose first page was looked for. */
  private lookedAt: Job | undefined;
  private loop: Promise<void> | undefined;
  private readonly tools: GroupTools;
  private closed = false;

  constructor(
    private readonly decoder: Decoder,
    vision: VisionEncoder,
    private readonly inputs: DecoderInputs,
    private readonly ledger: KvLedger,
    private readonly geometry: KvGeometry,
    private readonly settings: SchedulerSettings,
    residents?: ResidentRows,
  ) {
    const { chunkTokens, prefillOrder: order } = settings;
    this.tools = { decoder, vision, inputs, ledger, residents, options: { chunkTokens, order } };
  }

  async submit(request: GenerationRequest, control: GenerationControl): Promise<GenerationResult> {
    try {
      return await this.enqueue(request, control);
    } finally {
      request.constraint?.free();
    }
  }

  private async enqueue(request: GenerationRequest, control: GenerationControl): Promise<GenerationResult> {
    if (this.closed) throw new Error('the engine is closed');
    const job = new Job(request, control, this.decoder.config, this.geometry, this.ledger);
    const behind = this.waiting.findIndex((other) => rankOf(other) > rankOf(job));
    this.waiting.splice(behind < 0 ? this.waiting.length : behind, 0, job);
    this.loop ??= this.work();
    return job.result;
  }

  async close(): Promise<void> {
    this.closed = true;
    const reason = new Error('the engine was closed');
    for (const job of this.allJobs()) job.cancel(reason);
    await this.loop;
    this.inputs.close();
  }

  private allJobs(): Job[] {
    const prefilling = this.prefilling?.group.jobs ?? [];
    return [...this.waiting, ...prefilling, ...this.running.map(({ job }) => job)];
  }

  private async work(): Promise<void> {
    // Starting on a later turn lets requests that are submitted together be scheduled together.
    await new Promise(setImmediate);
    while (this.waiting.length > 0 || this.prefilling !== undefined || this.running.length > 0) {
      this.admit();
      await this.advancePrefill();
      this.lookAhead();
      await this.advanceRunning();
    }
    this.lookedAt = undefined;
    this.tools.vision.forgetAhead();
    this.loop = undefined;
  }

  private admit(): void {
    for (let i = this.waiting.length - 1; i >= 0; i--) {
      if (this.waiting[i].cancelled) for (const job of this.waiting.splice(i, 1)) job.fail(job.cancelReason);
    }
    const room = this.settings.maxSequences - this.running.length;
    if (this.prefilling !== undefined || room <= 0) return;
    const first = this.waiting.shift();
    if (first === undefined) return;
    const most = this.settings.prefillOrder === 'chunk' ? 1 : Math.min(room, this.settings.maxGroup);
    const choice = choosePrefill(first, this.waiting, most, this.tools.residents);
    for (const job of choice.jobs.slice(1)) this.waiting.splice(this.waiting.indexOf(job), 1);
    const group = new GroupPrefill(choice, this.tools);
    this.prefilling = { group, steps: group.run() };
  }

  /**
   * While one prompt passes the layers, the first page of the next one that will have to be seen is made ready. It waits in memory for its
   * turn, and it is one page.
   */
  private lookAhead(): void {
    const next = this.waiting.at(0);
    if (this.prefilling?.group.seen !== true || next === undefined || next === this.lookedAt) return;
    this.lookedAt = next;
    const { residents } = this.tools;
    // What is resident of it need not be seen.
    if (next.cancelled || (residents?.longest(next.prompt)?.tokens ?? 0) >= (residents?.leastTokens ?? 1)) return;
    const image = imagesInOrder(next.request.prompt).find(({ key }) => !this.tools.vision.knows(key));
    if (image !== undefined) this.tools.vision.prefetch(image);
  }

  private async advancePrefill(): Promise<void> {
    if (this.prefilling === undefined) return;
    const { group, steps } = this.prefilling;
    try {
      const next = await steps.next();
      if (next.done !== true) {
        const progress = next.value;
        if (progress === undefined) return;
        for (const job of group.jobs) if (!job.settled) job.emit({ kind: 'prefill', ...progress });
        return;
      }
      this.prefilling = undefined;
      for (const prefilled of next.value) await this.take(prefilled);
    } catch (error) {
      this.prefilling = undefined;
      // Lets the generator free what it holds.
      await steps.return(undefined as never).catch(() => undefined);
      for (const job of group.jobs) if (!job.settled) job.fail(job.cancelled ? job.cancelReason : error);
    }
  }

  /** A sequence joins those that decode, unless its first token has ended it. */
  private async take({ job, sequence, logits }: Prefilled): Promise<void> {
    try {
      if (logits !== undefined) await this.accept(job, sequence, logits);
    } catch (error) {
      sequence.free();
      job.fail(error);
      return;
    }
    this.settle(job, sequence);
    if (sequence.finishReason === undefined) this.running.push({ job, sequence });
  }

  private async advanceRunning(): Promise<void> {
    this.dropCancelled();
    if (this.running.length === 0) return;
    const batch = [...this.running];
    try {
      const inputs = batch.map(({ sequence }) => ({
        embedding: this.inputs.embeddings.rows(Int32Array.of(sequence.newest.id)),
        position: sequence.newest.position,
        caches: sequence.caches,
      }));
      const next = batch.every(({ sequence }) => sequence.takesLikeliest)
        ? [...(await decodeLikeliest(this.decoder, inputs))]
        : rowsOf(await decodeStep(this.decoder, inputs), this.decoder.config.vocabSize);
      for (const [row, { job, sequence }] of batch.entries()) await this.choose(job, sequence, next[row]);
    } catch (error) {
      // A failed run leaves the batch's caches in an unknown state: every sequence in it fails.
      for (const { job, sequence } of batch) {
        sequence.free();
        job.fail(error);
      }
    }
    this.keepUnsettled();
  }

  /** Chooses the next token of a sequence. Where that fails the sequence fails, and no other one. */
  private async choose(job: Job, sequence: Sequence, next: Float32Array | number): Promise<void> {
    try {
      await this.accept(job, sequence, next);
      this.settle(job, sequence);
    } catch (error) {
      sequence.free();
      job.fail(error);
    }
  }

  /** @param next logits `[vocab]` of the next token, or the likeliest token itself */
  private async accept(job: Job, sequence: Sequence, next: Float32Array | number): Promise<void> {
    const token = await (typeof next === 'number' ? sequence.acceptLikeliest(next) : sequence.accept(next));
    job.accepted();
    if (token !== undefined) job.emit({ kind: 'token', token });
    if (sequence.trailing !== '') job.emit({ kind: 'trailing', text: sequence.trailing });
  }

  /** Ends a job whose sequence has ended. */
  private settle(job: Job, sequence: Sequence): void {
    if (sequence.finishReason === undefined || job.settled) return;
    const finalBytes = sequence.ledger.bytes;
    sequence.free();
    job.finish(sequence, finalBytes);
  }

  private dropCancelled(): void {
    for (const { job, sequence } of this.running) {
      if (!job.cancelled) continue;
      sequence.free();
      job.fail(job.cancelReason);
    }
    this.keepUnsettled();
  }

  private keepUnsettled(): void {
    const remaining = this.running.filter(({ job }) => !job.settled);
    this.running.splice(0, this.running.length, ...remaining);
  }
}

function rowsOf(matrix: Float32Array, columns: number): Float32Array[] {
  return Array.from({ length: matrix.length / columns }, (_, row) =>
    matrix.subarray(row * columns, (row + 1) * columns),
  );
}

function rankOf({ request }: Job): number {
  return request.rank ?? 0;
}
