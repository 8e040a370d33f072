import type { AnsweredTrace, LayerTraceDocument } from '@madakv/contracts';
import { answerGenerated, recordedSpan, type ActiveSpan, type SpanEvent } from '@madakv/telemetry';
import type { EngineAnswer, EngineEvent } from '../engine/engine.host.js';

type LayerTimes = Extract<EngineEvent, { kind: 'layer' }>;

/** Collects when the engine's thread did what, and records it in the trace of the request once it has answered. */
export class GenerationSpans {
  private readonly layers: LayerTimes[] = [];

  /** @param span of the engine's whole work, which is the active one */
  constructor(private readonly span: ActiveSpan) {}

  readonly observe = (event: EngineEvent): void => {
    if (event.kind === 'layer') this.layers.push(event);
    else if (event.kind === 'token' && event.index === 0) this.span.event('firstToken');
  };

  /** Records the stages as children of the active span, and the metrics. */
  record({ times, trace }: EngineAnswer, document: AnsweredTrace): void {
    const { cache, usage } = document;
    this.span.set({
      responseId: document.id,
      responseModel: document.model,
      finishReasons: [document.finishReason],
      inputTokens: usage.promptTokens,
      outputTokens: usage.completionTokens,
      cachedInputTokens: cache.sharing.cachedTokens,
      sharedRequests: cache.sharing.requests,
      policy: cache.policy,
      requestedRatio: cache.requestedRatio,
      grantedRatio: cache.ratio,
      fullBytes: cache.bytes.full,
      peakBytes: cache.bytes.peak,
      keptBytes: cache.bytes.afterEviction,
    });
    if (document.images.length > 0) {
      recordedSpan('vision', {
        startMs: times.started,
        endMs: times.prefillStarted,
        attributes: { images: document.images.length },
      });
    }
    recordedSpan('prefill', {
      startMs: times.prefillStarted,
      endMs: times.prefillEnded,
      events: this.layers.map((layer) => layerEvent(layer, cache.layers.at(layer.layer))),
    });
    // Layers are evicted one after the other during prefill; their time together stands at its end.
    recordedSpan('evict', {
      startMs: times.prefillEnded - trace.ms.observe - trace.ms.evict,
      endMs: times.prefillEnded,
      attributes: { keptBytes: cache.bytes.afterEviction },
    });
    recordedSpan('decode', {
      startMs: times.firstToken,
      endMs: times.ended,
      attributes: { outputTokens: usage.completionTokens },
    });
    answerGenerated({
      model: document.model,
      policy: cache.policy,
      outputTokens: usage.completionTokens,
      firstTokenSeconds: document.ms.firstToken / 1_000,
      decodeSeconds: (times.ended - times.firstToken) / 1_000,
      cache: {
        ratio: cache.ratio,
        fullBytes: cache.bytes.full,
        peakBytes: cache.bytes.peak,
        keptBytes: cache.bytes.afterEviction,
      },
    });
  }
}

function layerEvent({ layer, endMs }: LayerTimes, trace: LayerTraceDocument | undefined): SpanEvent {
  return {
    event: 'layer',
    atMs: endMs,
    attributes: {
      layer,
      layerBudget: trace?.budget,
      layerDemand: trace?.demand,
      layerCompensation: trace?.compensation,
      layerRows: trace?.rows,
    },
  };
}
