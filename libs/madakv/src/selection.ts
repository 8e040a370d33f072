import { ImportanceError } from './errors.js';
import type { LayerRows } from './hcc.js';
import type { LayerSelection, MergePlan } from './policy.js';
import type { RequestPlan } from './request.plan.js';
import type { Scratch } from './scratch.js';

/** Collects what the heads of one layer keep. Heads that share one selection are added once and copied. */
export class SelectionBuilder {
  private readonly kept: Int32Array;
  private readonly keptByModality: Int32Array;
  private readonly preference: Float32Array;

  constructor(
    private readonly plan: RequestPlan,
    readonly layer: LayerRows & { readonly demand: number },
  ) {
    const { heads } = plan.model;
    const modalities = plan.prompt.modalities.length;
    this.kept = new Int32Array(heads * layer.rows);
    this.keptByModality = new Int32Array(heads * modalities);
    this.preference = new Float32Array(heads * modalities);
  }

  /** Takes the marked positions of a head, ascending, and clears the marks. `rows` of them must be marked. */
  take(head: number, { marks, members }: Scratch, preference: ArrayLike<number>): void {
    const { candidates, prompt } = this.plan;
    const { rows } = this.layer;
    const modalities = prompt.modalities.length;
    let found = 0;
    // Without a branch: every position is written, and written over unless it was marked.
    for (let position = 0; position < candidates; position++) {
      members[found] = position;
      found += marks[position];
    }
    marks.fill(0);
    this.kept.set(members.subarray(0, rows), head * rows);
    for (let i = 0; i < rows; i++) this.keptByModality[head * modalities + prompt.modalityOf[members[i]]]++;
    this.preference.set(preference, head * modalities);
  }

  /** Gives every head what head 0 got. */
  shareFirst(): void {
    const modalities = this.plan.prompt.modalities.length;
    for (let head = 1; head < this.plan.model.heads; head++) {
      this.kept.copyWithin(head * this.layer.rows, 0, this.layer.rows);
      this.keptByModality.copyWithin(head * modalities, 0, modalities);
      this.preference.copyWithin(head * modalities, 0, modalities);
    }
  }

  build(merge?: MergePlan): LayerSelection {
    const { kept, keptByModality, preference, layer } = this;
    return { ...layer, kept, keptByModality, preference, ...(merge === undefined ? {} : { merge }) };
  }
}

/** Sees to it that layers come in order and that importance is what a selector can rank. */
export class ImportanceGuard {
  private next = 0;

  constructor(private readonly plan: RequestPlan) {}

  /** @param needed false where the policy observes nothing: then importance may be empty. */
  check(layer: number, importance: Float32Array, needed: boolean): void {
    const { model, prompt } = this.plan;
    if (layer !== this.next || layer >= model.layers) {
      throw new ImportanceError(`layer ${layer} was given where layer ${this.next} of ${model.layers} was due`);
    }
    this.next++;
    if (!needed && importance.length === 0) return;
    if (importance.length !== model.heads * prompt.tokens) {
      throw new ImportanceError(
        `importance of layer ${layer} has ${importance.length} values, not ${model.heads} heads x ${prompt.tokens} tokens`,
      );
    }
    if (!needed) return;
    for (let i = 0; i < importance.length; i++) {
      if (importance[i] >= 0 && importance[i] !== Infinity) continue;
      if (i % prompt.tokens >= this.plan.candidates) continue;
      const [head, position] = [Math.floor(i / prompt.tokens), i % prompt.tokens];
      throw new ImportanceError(
        `importance of layer ${layer}, head ${head}, position ${position} is ${importance[i]}, not a number >= 0`,
      );
    }
  }
}
