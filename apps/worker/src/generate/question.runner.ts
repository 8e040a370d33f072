import { GEN_AI, type AnsweredTrace } from '@madakv/contracts';
import type { AnswerEventWriter } from '@madakv/records';
import { grantedRatio } from '@madakv/requests';
import { currentTraceId, withSpan, type ActiveSpan } from '@madakv/telemetry';
import type { EngineAnswer, EngineEvent, EngineHost } from '../engine/engine.host.js';
import type { LeaseShare, SharedLease } from '../lease/shared.lease.js';
import { GenerationSpans } from '../trace/generation.spans.js';
import { answeredTrace } from '../trace/trace.document.builder.js';
import { AnswerPublisher } from './answer.publisher.js';
import type { Learnt } from '../roles/request.attempt.js';
import type { PreparedReader } from './prepared.reader.js';
import { rankOf, tokensOf, type Question } from './question.js';

export interface QuestionParts {
  readonly reader: Pick<PreparedReader, 'imagesOf'>;
  readonly engine: Pick<EngineHost, 'generate' | 'info'>;
  readonly events: Pick<AnswerEventWriter, 'append'>;
  readonly workerId: string;
}

/** What a question has of the memory that it is answered with. */
export interface Granted {
  readonly lease: SharedLease;
  readonly share: LeaseShare;
}

/** What came of a question. */
export interface AnsweredQuestion {
  readonly question: Question;
  readonly answer: EngineAnswer;
  readonly trace: AnsweredTrace;
}

export interface QuestionControl {
  readonly signal: AbortSignal;
  /** The engine has begun with it. */
  readonly onBegin: () => void;
}

/** Asks the engine one question under a lease that is there. */
export class QuestionRunner {
  constructor(private readonly parts: QuestionParts) {}

  run(question: Question, granted: Granted, control: QuestionControl): Promise<AnsweredQuestion> {
    const { model } = question.attempt.request;
    return withSpan('chat', { of: model, attributes: this.attributesOf(question) }, (span: ActiveSpan) =>
      this.generate(question, granted, control, span),
    );
  }

  private async generate(
    question: Question,
    { lease, share }: Granted,
    { signal, onBegin }: QuestionControl,
    span: ActiveSpan,
  ): Promise<AnsweredQuestion> {
    const { attempt, prepared, settings, id } = question;
    const { engine, reader, events, workerId } = this.parts;
    const { request } = attempt;
    const spans = new GenerationSpans(span);
    // Readers of a request hear of its first question how far it is.
    const isRead = request.source.kind === 'body' && id === request.requestId;
    const publisher = isRead ? new AnswerPublisher(events, id) : undefined;
    const answer = await engine.generate(
      {
        requestId: id,
        messages: prepared.messages,
        images: reader.imagesOf(prepared),
        settings,
        cacheRatio: grantedRatio(share.grantedBytes, { ...prepared, need: share.need }),
        promptTokens: tokensOf(prepared),
        ...(prepared.documentKey === undefined ? {} : { documentKey: prepared.documentKey }),
        rank: rankOf(request),
      },
      {
        signal: AbortSignal.any([signal, lease.lost]),
        onEvent: (event: EngineEvent) => {
          if (event.kind === 'started') onBegin();
          noteSpent(attempt.learnt, event, prepared);
          // What is allocated is covered at every moment: it has shrunk to this before, and never exceeds it from here on.
          if (event.kind === 'evicted') share.evicted(event.maxBytes);
          spans.observe(event);
          publisher?.publish(event);
        },
      },
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
      begunAtMs: attempt.learnt.begunAtMs,
      holderSinceMs: attempt.learnt.holderSinceMs,
    });
    spans.record(answer, trace);
    return { question, answer, trace: { ...trace, id } };
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

/** The prompt is spent when the engine begins with it, the answer token by token. */
function noteSpent(learnt: Learnt, event: EngineEvent, prepared: Question['prepared']): void {
  const { promptTokens, completionTokens } = learnt.spent;
  if (event.kind === 'started') learnt.spent = { promptTokens: promptTokens + tokensOf(prepared), completionTokens };
  else if (event.kind === 'token') learnt.spent = { promptTokens, completionTokens: completionTokens + 1 };
}
