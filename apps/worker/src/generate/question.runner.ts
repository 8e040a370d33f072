import { GEN_AI, type AnsweredTrace, type RequestJobResult } from '@madakv/contracts';
import type { AnswerEventWriter, FairShares } from '@madakv/records';
import { chatCompletion, grantedRatio } from '@madakv/requests';
import {
  currentTraceId,
  leaseWaited,
  queueWaited,
  recordedSpan,
  requestSettled,
  withSpan,
  type ActiveSpan,
} from '@madakv/telemetry';
import { basename } from 'node:path';
import { MadakvError } from '@madakv/contracts';
import type { EngineAnswer, EngineEvent, EngineHost } from '../engine/engine.host.js';
import type { LeaseShare, SharedLease } from '../lease/shared.lease.js';
import type { OutcomeWriter } from '../outcome/outcome.writer.js';
import { HandBack } from '../roles/hand.back.js';
import { GenerationSpans } from '../trace/generation.spans.js';
import { answeredTrace } from '../trace/trace.document.builder.js';
import { AnswerPublisher } from './answer.publisher.js';
import type { CrashGuard } from './crash.guard.js';
import type { PreparedReader } from './prepared.reader.js';
import { rankOf, tokensOf, type Question } from './question.js';

export interface QuestionParts {
  readonly reader: Pick<PreparedReader, 'imagesOf'>;
  readonly engine: Pick<EngineHost, 'generate' | 'info'>;
  readonly outcomes: Pick<OutcomeWriter, 'complete'>;
  readonly shares: Pick<FairShares, 'served'>;
  readonly crashes: CrashGuard;
  readonly events: Pick<AnswerEventWriter, 'append'>;
  readonly workerId: string;
}

/** What a question has of the memory that it is answered with. */
export interface Granted {
  readonly lease: SharedLease;
  readonly share: LeaseShare;
}

interface Answered {
  readonly answer: EngineAnswer;
  readonly trace: AnsweredTrace;
}

/** Answers one question under a lease that is there: engine, trace, outcome. */
export class QuestionRunner {
  constructor(private readonly parts: QuestionParts) {}

  /** @throws HandBack where nobody can take over from here yet */
  async run(question: Question, granted: Granted): Promise<RequestJobResult> {
    const { request } = question.attempt;
    const { lease, share } = granted;
    this.taken(question, granted);
    let answered: Answered;
    try {
      if (request.fairTag !== undefined) await this.parts.shares.served(request.model, request.fairTag);
      answered = await withSpan(
        'chat',
        { of: request.model, attributes: this.attributesOf(question) },
        (span: ActiveSpan) => this.generate(question, granted, span),
      );
    } catch (error) {
      const released = await share.leave();
      // The next worker would ask as the same holder and be given this lease, shrunk as it is.
      const handedBack = error instanceof MadakvError && error.code === 'worker_stopping';
      if (handedBack && !released) throw new HandBack(lease.timeToLiveMs, 'the lease could not be released');
      throw error;
    }
    await share.leave();
    const { answer, trace } = answered;
    // What leaving did belongs to the lease's history.
    await this.finish(question, answer, {
      ...trace,
      lease: { ...trace.lease, events: [...share.history.events] },
    });
    return { state: 'settled' };
  }

  private async generate(question: Question, { lease, share }: Granted, span: ActiveSpan): Promise<Answered> {
    const { attempt, prepared, settings } = question;
    const { engine, reader, events, crashes, workerId } = this.parts;
    const { request } = attempt;
    const spans = new GenerationSpans(span);
    const publisher = request.source.kind === 'body' ? new AnswerPublisher(events, request.requestId) : undefined;
    const answer = await crashes.watch(request.requestId, (begin) =>
      engine.generate(
        {
          requestId: request.requestId,
          messages: prepared.messages,
          images: reader.imagesOf(prepared),
          settings,
          cacheRatio: grantedRatio(share.grantedBytes, { ...prepared, need: share.need }),
          promptTokens: tokensOf(prepared),
          rank: rankOf(request),
        },
        {
          signal: AbortSignal.any([attempt.signal, lease.lost]),
          onEvent: (event: EngineEvent) => {
            if (event.kind === 'started') begin();
            // What is allocated is covered at every moment: it has shrunk to this before, and never exceeds it from here on.
            if (event.kind === 'evicted') share.evicted(event.maxBytes);
            spans.observe(event);
            publisher?.publish(event);
          },
        },
      ),
    );
    await publisher?.flush();
    const { asked, granted } = lease.times;
    const trace = answeredTrace({
      request,
      prepared,
      answer,
      attempt: attempt.attempt,
      worker: workerId,
      otelTraceId: currentTraceId(),
      lease: share.history,
      at: { taken: attempt.takenAtMs, asked, granted, answered: Date.now() },
    });
    spans.record(answer, trace);
    return { answer, trace };
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

  /** The request's waits, told once it has its lease. */
  private taken({ attempt, prepared }: Question, { lease }: Granted): void {
    const { request, takenAtMs } = attempt;
    const { asked, granted } = lease.times;
    const { queue, fetch, rasterise, tokenise } = prepared.ms;
    const readyAtMs = request.acceptedAtMs + queue + fetch + rasterise + tokenise;
    const endMs = Math.max(readyAtMs, Math.min(takenAtMs, asked));
    const { requestId, model } = request;
    recordedSpan('queue', {
      of: 'generate',
      startMs: readyAtMs,
      endMs,
      attributes: { requestId, model, queueKind: 'generate' },
    });
    queueWaited({ kind: 'generate', model, seconds: (endMs - readyAtMs) / 1_000 });
    leaseWaited({ model, seconds: (granted - asked) / 1_000 });
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
}
