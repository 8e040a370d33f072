import type { ResidentDocuments } from '@madakv/records';

export interface ResidentPlace {
  readonly model: string;
  readonly workerId: string;
}

/** How long others believe what a worker has said, and how often it says it again, in milliseconds. */
const BELIEVED_MS = 15_000;
const AGAIN_MS = 5_000;

/** Tells the other workers of a model which documents this one holds, and knows who else holds one. */
export class ResidentWatch {
  private held: ReadonlySet<string> = new Set();
  private readonly timer: NodeJS.Timeout;

  constructor(
    private readonly documents: ResidentDocuments,
    private readonly place: ResidentPlace,
    private readonly onError: (error: unknown) => void,
  ) {
    this.timer = setInterval(() => {
      this.say([...this.held]);
    }, AGAIN_MS);
    this.timer.unref();
  }

  /** The documents that this worker holds from now on. */
  readonly changed = (documentKeys: readonly string[]): void => {
    const before = this.held;
    this.held = new Set(documentKeys);
    this.say(documentKeys.filter((key) => !before.has(key)));
    const gone = [...before].filter((key) => !this.held.has(key));
    this.documents.release(this.place.model, this.place.workerId, gone).catch(this.onError);
  };

  /** Whether another worker holds a document that this one does not. A hint that cannot be had is none. */
  async isElsewhere(documentKey: string): Promise<boolean> {
    if (this.held.has(documentKey)) return false;
    try {
      return (await this.documents.holders(this.place.model, documentKey)).some((id) => id !== this.place.workerId);
    } catch (error) {
      this.onError(error);
      return false;
    }
  }

  /** This worker takes no more: others need not wait for it. */
  close(): void {
    clearInterval(this.timer);
    this.changed([]);
  }

  private say(documentKeys: readonly string[]): void {
    const { model, workerId } = this.place;
    this.documents.hold(model, workerId, documentKeys, BELIEVED_MS).catch(this.onError);
  }
}
