import type { AnswerEvent } from '@madakv/contracts';
import type { AnswerEventWriter } from '@madakv/records';
import type { EngineEvent } from '../engine/engine.host.js';

/** Least pause between two reports of the prefill's progress, in milliseconds. */
const PROGRESS_MS = 250;

/** Tells the reader of a chat completion how its answer comes along. Events keep their order. */
export class AnswerPublisher {
  private turn: Promise<void> = Promise.resolve();
  private failure: { readonly error: unknown } | undefined;
  private reportedAtMs = 0;

  constructor(
    private readonly events: Pick<AnswerEventWriter, 'append'>,
    private readonly requestId: string,
  ) {}

  readonly publish = (event: EngineEvent): void => {
    if (event.kind === 'token') {
      const { index, text, logprobs } = event;
      this.append({ kind: 'token', index, text, ...(logprobs === undefined ? {} : { logprobs }) });
    } else if (event.kind === 'prefill') {
      const now = Date.now();
      if (event.done < event.total && now - this.reportedAtMs < PROGRESS_MS) return;
      this.reportedAtMs = now;
      this.append({ kind: 'prefill', done: event.done, total: event.total });
    }
  };

  /** Resolves once all is written. @throws the first error of writing */
  async flush(): Promise<void> {
    await this.turn;
    if (this.failure !== undefined) throw this.failure.error;
  }

  private append(event: AnswerEvent): void {
    this.turn = this.turn
      .then(() => this.events.append(this.requestId, event))
      .catch((error: unknown) => {
        this.failure ??= { error };
      });
  }
}
