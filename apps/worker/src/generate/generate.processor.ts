import {
  GEN_AI,
  MadakvError,
  type AnsweredTrace,
  type LeaseEvent,
  type Need,
  type PreparedRequest,
  type RequestJob,
  type RequestJobResult,
} from '@madakv/contracts';
import type { AnswerEventWriter, CrashCounter, FairShares } from '@madakv/records';
import {
  chatCompletion,
  generationSettings,
  grantedRatio,
  memoryNeed,
  readParameters,
  type GenerationSettings,
} from '@madakv/requests';
import {
  currentTraceId,
  leaseWaited,
  queueWaited,
  recordedSpan,
  requestSettled,
  withSpan,
  type ActiveSpan,
  type SpanAttributes,
} from '@madakv/telemetry';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { EngineAnswer, EngineEvent, EngineHost } from '../engine/engine.host.js';
import type { BudgetWatch } from '../lease/budget.watch.js';
import type { HeldLease } from '../lease/held.lease.js';
import type { LeaseAnswer, LeaseDesk } from '../lease/lease.desk.js';
import type { OutcomeWriter } from '../outcome/outcome.writer.js';
import { FinalError } from '../roles/failure.js';
import { HandBack } from '../roles/hand.back.js';
import type { BullRequestJob, RequestAttempt, RequestJobRunner } from '../roles/request.job.runner.js';
import { GenerationSpans } from '../trace/generation.spans.js';
import { answeredTrace, type LeaseHistory } from '../trace/trace.document.builder.js';
import { AnswerPublisher } from './answer.publisher.js';
import type { Isolation } from './isolation.js';
import type { PreparedReader } from './prepared.reader.js';

/** Engines, or their processes, that may die over one request before it fails for good. */
const MAX_CRASHES = 3;
/**
 * How long a job that finds no room keeps its slot, in milliseconds. Queued jobs ask one after the other; this bounds how often,
 * and leaves the slot to a chat completion soon enough.
 */
const NO_ROOM_PAUSE_MS = 50;

export interface GenerateParts {
  readonly runner: RequestJobRunner;
  readonly reader: PreparedReader;
  readonly engine: Pick<EngineHost, 'generate' | 'info'>;
  readonly desk: Pick<LeaseDesk, 'acquire'>;
  readonly budget: Pick<BudgetWatch, 'available'>;
  readonly isolation: Isolation;
  readonly outcomes: Pick<OutcomeWriter, 'complete'>;
  readonly shares: Pick<FairShares, 'served'>;
  readonly crashes: Pick<CrashCounter, 'begin' | 'end' | 'count'>;
  readonly events: Pick<AnswerEventWriter, 'append'>;
  readonly workerId: string;
}

/** What is asked of the engine, and what that takes. */
interface Question {
  readonly attempt: RequestAttempt;
  readonly prepared: PreparedRequest;
  readonly settings: GenerationSettings;
  readonly need: Need;
}

interface GrantedLease {
  readonly lease: HeldLease;
  readonly waited: readonly LeaseEvent[];
  /** When it was asked for the first time, and granted, in milliseconds since 1970. */
  readonly askedAtMs: number;
  readonly grantedAtMs: number;
}

/** Answers a prepared request: lease, engine, trace, outcome. */
export class GenerateProcessor {
  constructor(private readonly parts: GenerateParts) {}

  /** A BullMQ processor. */
  process(job: BullRequestJob, token: string | undefined): Promise<RequestJobResult> {
    return this.parts.runner.run(job, token, 'generate', (attempt) => this.answer(attempt));
  }

  private async answer(attempt: RequestAttempt): Promise<RequestJobResult> {
    const { reader, budget, crashes, isolation } = this.parts;
    const { request, signal } = attempt;
    const prepared = await reader.read(request.requestId);
    attempt.learnt.customId = prepared.customId;
    attempt.learnt.prepared = prepared;
    signal.throwIfAborted();
    if (!budget.available) throw new MadakvError('budget_unavailable', 'the memory-budget service is away');
    const settings = generationSettings(readParameters(prepared.parameters));
    const question = { attempt, prepared, settings, need: this.needOf(prepared, settings) };
    const crashed = await crashes.count(request.requestId);
    if (crashed >= MAX_CRASHES) throw crashedTooOften(crashed);
    return isolation.run(crashed > 0, signal, () => this.answerUnderLease(question));
  }

  private async answerUnderLease(question: Question): Promise<RequestJobResult> {
    const { request } = question.attempt;
    const granted = await this.acquire(question);
    this.taken(question, granted);
    let answered: { readonly answer: EngineAnswer; readonly trace: AnsweredTrace };
    try {
      if (request.fairTag !== undefined) await this.parts.shares.served(request.model, request.fairTag);
      answered = await withSpan(
        'chat',
        { of: request.model, attributes: this.attributesOf(question) },
        (span: ActiveSpan) => this.generate(question, granted, span),
      );
    } catch (error) {
      const released = await granted.lease.release();
      // The next worker would ask as the same holder and be given this lease, shrunk as it is.
      const handedBack = error instanceof MadakvError && error.code === 'worker_stopping';
      if (handedBack && !released) throw new HandBack(granted.lease.timeToLiveMs, 'the lease could not be released');
      throw error;
    }
    await granted.lease.release();
    const { answer, trace } = answered;
    // The release belongs to the lease's history.
    await this.finish(question, answer, {
      ...trace,
      lease: { ...trace.lease, events: [...historyOf(granted).events] },
    });
    return { state: 'settled' };
  }

  /** @throws HandBack where there is no room now */
  private async acquire({ attempt, need }: Question): Promise<GrantedLease> {
    const { request, holder, signal, learnt } = attempt;
    const askedAtMs = request.roomSinceMs ?? Date.now();
    const { requestId, model, tenant } = request;
    const rank = rankOf(request);
    learnt.askedAtMs = askedAtMs;
    const answer = await withSpan(
      'lease',
      { startMs: askedAtMs, attributes: { requestId, model, tenant, leaseOperation: 'acquire' } },
      async (span) => {
        const given = await this.parts.desk.acquire({ jobId: requestId, holder, tenant, need, rank });
        span.set(leaseAttributes(given));
        return given;
      },
    );
    if (answer.kind === 'granted') {
      const waited: LeaseEvent[] = [];
      if (request.roomSinceMs !== undefined) waited.push({ atMs: request.roomSinceMs, event: 'waited', bytes: 0 });
      const granted = { lease: answer.lease, waited, askedAtMs, grantedAtMs: Date.now() };
      learnt.grantedAtMs = granted.grantedAtMs;
      learnt.lease = historyOf(granted);
      return granted;
    }
    if (request.roomSinceMs === undefined) await attempt.update({ ...request, roomSinceMs: askedAtMs });
    const pauseMs = Math.min(answer.delayMs, NO_ROOM_PAUSE_MS);
    await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
    signal.throwIfAborted();
    throw new HandBack(answer.delayMs - pauseMs, answer.reason);
  }

  private async generate(
    { attempt, prepared, settings, need }: Question,
    granted: GrantedLease,
    span: ActiveSpan,
  ): Promise<{ readonly answer: EngineAnswer; readonly trace: AnsweredTrace }> {
    const { engine, reader, events, crashes, workerId } = this.parts;
    const { request } = attempt;
    const { lease } = granted;
    const spans = new GenerationSpans(span);
    const publisher = request.source.kind === 'body' ? new AnswerPublisher(events, request.requestId) : undefined;
    let begun: Promise<void> | undefined;
    let resized: Promise<void> = Promise.resolve();
    const onEvent = (event: EngineEvent): void => {
      if (event.kind === 'started') {
        begun = crashes.begin(request.requestId);
        // Awaited when the engine is done; one that fails before must not go unheard.
        begun.catch(() => undefined);
      }
      // What is allocated is covered at every moment: it has shrunk to this before, and never exceeds it from here on.
      if (event.kind === 'evicted') resized = lease.resize(event.maxBytes);
      spans.observe(event);
      publisher?.publish(event);
    };
    const answer = await engine
      .generate(
        {
          requestId: request.requestId,
          messages: prepared.messages,
          images: reader.imagesOf(prepared),
          settings,
          cacheRatio: grantedRatio(lease.grantedBytes, { ...prepared, need }),
          promptTokens: tokensOf(prepared),
          rank: rankOf(request),
        },
        { signal: AbortSignal.any([attempt.signal, lease.lost]), onEvent },
      )
      .catch((error: unknown) => this.failed(error, request.requestId, begun))
      .finally(() => resized);
    await this.survived(request.requestId, begun);
    await publisher?.flush();
    const trace = answeredTrace({
      request,
      prepared,
      answer,
      attempt: attempt.attempt,
      worker: workerId,
      otelTraceId: currentTraceId(),
      lease: historyOf(granted),
      at: { taken: attempt.takenAtMs, asked: granted.askedAtMs, granted: granted.grantedAtMs, answered: Date.now() },
    });
    spans.record(answer, trace);
    return { answer, trace };
  }

  /** An engine that died counts against the requests it had begun, and the third one is enough. */
  private async failed(error: unknown, requestId: string, begun: Promise<void> | undefined): Promise<never> {
    if (error instanceof MadakvError && error.code === 'engine_crashed') {
      await begun;
      const crashed = await this.parts.crashes.count(requestId);
      throw crashed < MAX_CRASHES ? error : crashedTooOften(crashed, error);
    }
    await this.survived(requestId, begun);
    throw error;
  }

  private async survived(requestId: string, begun: Promise<void> | undefined): Promise<void> {
    if (begun === undefined) return;
    await begun;
    await this.parts.crashes.end(requestId);
  }

  private async finish({ attempt, prepared }: Question, answer: EngineAnswer, trace: AnsweredTrace): Promise<void> {
    const { request } = attempt;
    const { requestId, model } = request;
    await withSpan('finalize', { attributes: { requestId, tenant: request.tenant, model } }, async () => {
      const head = { id: requestId, created: Math.floor(Date.now() / 1_000), model };
      const completion = chatCompletion(head, {
        ...answer,
        requestedRatio: prepared.cacheRatio,
        warnings: prepared.warnings,
        systemFingerprint: basename(this.parts.engine.info.builtDir),
      });
      await this.parts.outcomes.complete({ ...request, customId: prepared.customId }, completion, trace);
    });
    requestSettled({ model, seconds: (Date.now() - request.acceptedAtMs) / 1_000 });
  }

  /** The job's waits, told once it has its lease. */
  private taken({ attempt, prepared }: Question, { askedAtMs, grantedAtMs }: GrantedLease): void {
    const { request, takenAtMs } = attempt;
    const { queue, fetch, rasterise, tokenise } = prepared.ms;
    const readyAtMs = request.acceptedAtMs + queue + fetch + rasterise + tokenise;
    const endMs = Math.max(readyAtMs, Math.min(takenAtMs, askedAtMs));
    const { requestId, model } = request;
    recordedSpan('queue', {
      of: 'generate',
      startMs: readyAtMs,
      endMs,
      attributes: { requestId, model, queueKind: 'generate' },
    });
    queueWaited({ kind: 'generate', model, seconds: (endMs - readyAtMs) / 1_000 });
    leaseWaited({ model, seconds: (grantedAtMs - askedAtMs) / 1_000 });
  }

  private attributesOf({ attempt, settings, prepared }: Question) {
    const { request } = attempt;
    return {
      ...GEN_AI,
      model: request.model,
      maxTokens: settings.maxTokens,
      temperature: settings.sampling.temperature,
      topP: settings.sampling.topP,
      topK: settings.sampling.topK,
      seed: settings.sampling.seed,
      stream: prepared.parameters['stream'] === true,
      requestId: request.requestId,
      tenant: request.tenant,
      attempt: attempt.attempt,
      worker: this.parts.workerId,
      ...(request.source.kind === 'line' && { batchId: request.source.batchId, batchLine: request.source.line }),
    };
  }

  private needOf(prepared: PreparedRequest, settings: GenerationSettings): Need {
    const { cacheRatio, minCacheRatio } = prepared;
    const tokens = tokensOf(prepared);
    const heldBack = settings.protocol === 'replay' && tokens > 1 ? 1 : 0;
    const demand = { tokens, heldBack, maxTokens: settings.maxTokens, cacheRatio, minCacheRatio };
    return memoryNeed(demand, this.parts.engine.info.kv);
  }
}

function crashedTooOften(crashes: number, cause?: unknown): FinalError {
  const message = `the engine died ${crashes} times while it worked on this request`;
  return new FinalError(new MadakvError('engine_crashed', message, cause === undefined ? {} : { cause }));
}

function leaseAttributes(answer: LeaseAnswer): SpanAttributes {
  if (answer.kind === 'wait') return { leaseOutcome: 'full', leaseReason: answer.reason };
  const { ref, bytes, grantedBytes } = answer.lease;
  return {
    leaseOutcome: 'granted',
    deviceId: ref.deviceId,
    leaseId: ref.leaseId,
    leaseFencingToken: ref.fencingToken,
    leaseBytes: bytes,
    leaseGrantedBytes: grantedBytes,
  };
}

/** As the queue runs them: chat completions first, then lines in turns among tenants. */
function rankOf({ fairTag = 0 }: RequestJob): number {
  return fairTag;
}

function tokensOf({ promptTokens }: PreparedRequest): number {
  return Object.values(promptTokens).reduce((sum, count) => sum + count, 0);
}

/** Goes on with the lease: its events are those at the time of reading. */
function historyOf({ waited, lease }: Pick<GrantedLease, 'waited' | 'lease'>): LeaseHistory {
  const { ref, grantedBytes } = lease;
  return {
    ref,
    grantedBytes,
    get events() {
      return [...waited, ...lease.events];
    },
  };
}
