import { MadakvError } from '@madakv/contracts';
import { kvGeometry } from '@madakv/engine';
import { openModel } from '@madakv/models';
import type {
  EngineAnswer,
  EngineInfo,
  EngineRequest,
  GenerateControl,
} from '../../apps/worker/src/engine/engine.host.js';
import type { RunningEngine } from '../../apps/worker/src/roles/worker.tokens.js';
import { CHECKPOINT } from './worker.bench.js';

interface FakeRun {
  readonly request: EngineRequest;
  readonly control: GenerateControl;
  readonly end: (outcome: EngineAnswer | Error) => void;
}

/** Stands in for the engine's thread: tests say when a request ends, and how. Its memory is what it says it is. */
export class FakeEngine implements RunningEngine {
  state: RunningEngine['state'] = 'ready';
  readonly info: EngineInfo;
  readonly memory = { kv: 0, features: 0, rows: 0, heap: 0, buffers: 0 };
  /** Ids of requests in the order in which they began. */
  readonly begun: string[] = [];
  /** What happens to a request that begins; by default it waits to be told. */
  onBegin: (requestId: string) => void = () => undefined;
  private readonly runs = new Map<string, FakeRun>();

  constructor() {
    const { family, decoder } = openModel(CHECKPOINT).config;
    const kv = kvGeometry(decoder, 'cpu', 'fp32');
    this.info = {
      family,
      decoder,
      kv,
      maxPositions: decoder.maxPositions,
      kvBytesPerToken: 512,
      provider: 'cpu',
      builtDir: '/built/fake',
    };
  }

  get running(): readonly string[] {
    return [...this.runs.keys()];
  }

  /** What a running request was submitted with. */
  rankOf(requestId: string): number | undefined {
    return this.runs.get(requestId)?.request.rank;
  }

  requestOf(requestId: string): EngineRequest | undefined {
    return this.runs.get(requestId)?.request;
  }

  async generate(request: EngineRequest, control: GenerateControl = {}): Promise<EngineAnswer> {
    const { requestId } = request;
    control.signal?.throwIfAborted();
    return new Promise<EngineAnswer>((resolve, reject) => {
      const end = (outcome: EngineAnswer | Error): void => {
        this.runs.delete(requestId);
        if (outcome instanceof Error) reject(outcome);
        else resolve(outcome);
      };
      control.signal?.addEventListener('abort', () => {
        end(control.signal?.reason as Error);
      });
      this.runs.set(requestId, { request, control, end });
      this.begun.push(requestId);
      control.onEvent?.({ kind: 'started', atMs: Date.now() });
      this.onBegin(requestId);
    });
  }

  /** Says that eviction is done and how much the request may hold from here on. */
  evict(requestId: string, maxBytes: number): void {
    this.runOf(requestId).control.onEvent?.({ kind: 'evicted', atMs: Date.now(), bytes: maxBytes, maxBytes });
  }

  say(requestId: string, index: number, text: string): void {
    this.runOf(requestId).control.onEvent?.({ kind: 'token', index, text });
  }

  finish(requestId: string, text = 'done'): void {
    const { request, end } = this.runOf(requestId);
    const now = Date.now();
    const tokens = request.promptTokens ?? 0;
    end({
      text,
      finishReason: 'stop',
      usage: { prompt_tokens: tokens, completion_tokens: 1, total_tokens: tokens + 1 },
      logprobs: null,
      trace: {
        policy: 'madakv',
        ratio: request.cacheRatio,
        protocol: 'replay',
        modalities: ['text', 'visual'],
        promptTokens: [tokens, 0],
        sharing: {
          requests: 1,
          sharedTokens: 0,
          cachedTokens: 0,
          residentTokens: 0,
          reason: 'nothing_waited',
          alikeTokens: 0,
        },
        layers: [],
        bytes: { full: tokens * 512, peak: tokens * 512, afterEviction: tokens * 256, final: tokens * 256 },
        ms: { queue: 0, vision: 0, prefill: 1, observe: 0, evict: 0, firstToken: 1, decode: 0 },
      },
      times: {
        submitted: now,
        started: now,
        prefillStarted: now,
        prefillEnded: now,
        firstToken: now,
        ended: now,
      },
      imagePlaces: [],
    });
  }

  fail(requestId: string, error: Error): void {
    this.runOf(requestId).end(error);
  }

  close(): Promise<void> {
    this.state = 'closed';
    for (const { end } of [...this.runs.values()]) end(new MadakvError('worker_stopping', 'the worker is stopping'));
    return Promise.resolve();
  }

  private runOf(requestId: string): FakeRun {
    const run = this.runs.get(requestId);
    if (run === undefined) throw new Error(`${requestId} does not run`);
    return run;
  }
}
