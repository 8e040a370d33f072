import { prefill, type PrefillOptions, type PrefillProgress, type PrefillResult } from './decoder/prefill.js';
import { decodeStep } from './decoder/decode.step.js';
import type { Decoder } from './decoder/decoder.js';
import type { DecoderInputs } from './decoder/decoder.inputs.js';
import type { GenerationControl, GenerationRequest, GenerationResult } from './generation.js';
import { Job } from './job.js';
import type { KvLedger } from './kv/kv.ledger.js';
import type { KvGeometry } from './kv/kv.need.js';
import { embedPrompt } from './prompt.embedding.js';
import { Sequence } from './sequence.js';
import type { VisionEncoder } from './vision.encoder.js';

export interface SchedulerSettings {
  /** Prompt tokens a prefill run takes at once. */
  readonly chunkTokens: number;
  /** Sequences that decode together; further ones wait before their prefill. */
  readonly maxSequences: number;
  readonly prefillOrder: PrefillOptions['order'];
}

/**
 * Continuous batching: in every round one unit of the prefill that is under way (a chunk through a layer) and one decode step of all
 * running sequences. Sequences join after their prefill and leave when they end; nobody waits for a batch to fill or to finish.
 *
 * Only this loop calls sessions, one run at a time.
 */
export class Scheduler {
  private readonly waiting: Job[] = [];
  private readonly running: { readonly job: Job; readonly sequence: Sequence }[] = [];
  private prefilling: { readonly job: Job; readonly steps: AsyncGenerator<PrefillProgress, Sequence> } | undefined;
  private loop: Promise<void> | undefined;
  private closed = false;

  constructor(
    private readonly decoder: Decoder,
    private readonly vision: VisionEncoder,
    private readonly inputs: DecoderInputs,
    private readonly ledger: KvLedger,
    private readonly geometry: KvGeometry,
    private readonly settings: SchedulerSettings,
  ) {}

  async submit(request: GenerationRequest, control: GenerationControl): Promise<GenerationResult> {
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
    const prefilling = this.prefilling === undefined ? [] : [this.prefilling.job];
    return [...this.waiting, ...prefilling, ...this.running.map(({ job }) => job)];
  }

  private async work(): Promise<void> {
    // Starting on a later turn lets requests that are submitted together be scheduled together.
    await new Promise(setImmediate);
    while (this.waiting.length > 0 || this.prefilling !== undefined || this.running.length > 0) {
      this.admit();
      await this.advancePrefill();
      await this.advanceRunning();
    }
    this.loop = undefined;
  }

  private admit(): void {
    while (this.prefilling === undefined && this.running.length < this.settings.maxSequences) {
      const job = this.waiting.shift();
      if (job === undefined) return;
      if (job.cancelled) job.fail(job.cancelReason);
      else this.prefilling = { job, steps: this.prefill(job) };
    }
    for (let i = this.waiting.length - 1; i >= 0; i--) {
      if (this.waiting[i].cancelled) for (const job of this.waiting.splice(i, 1)) job.fail(job.cancelReason);
    }
  }

  private async advancePrefill(): Promise<void> {
    if (this.prefilling === undefined) return;
    const { job, steps } = this.prefilling;
    try {
      if (job.cancelled) throw job.cancelReason;
      const next = await steps.next();
      if (next.done !== true) {
        job.emit({ kind: 'prefill', ...next.value });
        return;
      }
      this.prefilling = undefined;
      this.settle(job, next.value);
      if (next.value.finishReason === undefined) this.running.push({ job, sequence: next.value });
    } catch (error) {
      this.prefilling = undefined;
      // Lets the generator free what it holds.
      await steps.return(undefined as never).catch(() => undefined);
      job.fail(error);
    }
  }

  /** Runs a request up to its first decode step. */
  private async *prefill(job: Job): AsyncGenerator<PrefillProgress, Sequence> {
    const { request, layout } = job;
    job.started();
    const selector = job.start();
    const embeddings = await embedPrompt(request.prompt, this.inputs, async (image) => {
      if (job.cancelled) throw job.cancelReason;
      return job.timed('vision', () => this.vision.encode(image));
    });
    job.embedded();
    const plain = layout.heldBack === 0;
    const tokens = layout.tokens;
    const result: PrefillResult = yield* prefill(
      this.decoder,
      { embeddings, positions: request.prompt.positions, axes: request.prompt.axes, tokens },
      request.policy.observe(layout),
      selector,
      job.ledger,
      {
        chunkTokens: this.settings.chunkTokens,
        order: this.settings.prefillOrder,
        logits: plain,
        onLayer: (layer, startedAt, endedAt) => {
          job.layerDone(layer, startedAt, endedAt);
        },
      },
    );
    try {
      job.prefilled(result.report);
      const sequence = new Sequence(
        request,
        result.caches,
        job.ledger,
        this.inputs.newDetokenizer(),
        this.inputs.eosIds,
        lastPromptToken(request),
      );
      if (result.logits !== undefined) this.accept(job, sequence, result.logits);
      return sequence;
    } catch (error) {
      // The prefill has handed its caches over; nobody else would free them.
      for (const cache of result.caches) cache.free();
      throw error;
    }
  }

  private async advanceRunning(): Promise<void> {
    this.dropCancelled();
    if (this.running.length === 0) return;
    const batch = [...this.running];
    try {
      const logits = await decodeStep(
        this.decoder,
        batch.map(({ sequence }) => ({
          embedding: this.inputs.embeddings.rows(Int32Array.of(sequence.newest.id)),
          position: sequence.newest.position,
          caches: sequence.caches,
        })),
      );
      const vocab = this.decoder.config.vocabSize;
      batch.forEach(({ job, sequence }, row) => {
        this.accept(job, sequence, logits.subarray(row * vocab, (row + 1) * vocab));
        this.settle(job, sequence);
      });
    } catch (error) {
      // A failed run leaves the batch's caches in an unknown state: every sequence in it fails.
      for (const { job, sequence } of batch) {
        sequence.free();
        job.fail(error);
      }
    }
    this.keepUnsettled();
  }

  private accept(job: Job, sequence: Sequence, logits: Float32Array): void {
    const token = sequence.accept(logits);
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

function rankOf({ request }: Job): number {
  return request.rank ?? 0;
}

function lastPromptToken({ prompt }: GenerationRequest): { id: number; position: Int32Array } {
  const tokens = prompt.inputIds.length;
  const position = Int32Array.from({ length: prompt.axes }, (_, axis) => prompt.positions[axis * tokens + tokens - 1]);
  return { id: prompt.inputIds[tokens - 1], position };
}
