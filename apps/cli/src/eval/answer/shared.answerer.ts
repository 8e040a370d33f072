import {
  Decoder,
  KvLedger,
  prefill,
  promptLayout,
  type DecoderSessions,
  type LoadedSessions,
  type PrefillOptions,
} from '@madakv/engine';
import { GrantTooSmallError, type LayerSelector, type Observation, type PromptLayout } from '@madakv/madakv';
import type { OpenModel, PreparedPrompt } from '@madakv/models';
import type { Answer, Answerer, AnswerSettings, GivenAnswer, PlannedAnswer } from './answerer.js';
import { FanOut } from './fan.out.memory.js';
import { decodeGreedily, type GreedySequence } from './greedy.decoding.js';
import { PromptEmbedder } from './prompt.embedder.js';

/** As in the engine. */
const PREFILL = { chunkTokens: 512, order: 'layer' } as const satisfies Partial<PrefillOptions>;

/** Most bytes of kept cache at once; more answers than fit take another prefill. */
const MOST_KEPT_BYTES = 2 ** 30;

/** One of the planned answers, accepted by its policy. */
interface Started {
  readonly index: number;
  readonly selector: LayerSelector;
  readonly ratio: number;
}

/**
 * Answers a prompt under many policies and ratios at the cost of one prefill for each kind of attention that policies watch:
 * what passes through the layers is the same for all. The arithmetic is the engine's; answers are the same as one by one.
 */
export class SharedAnswerer implements Answerer {
  private readonly embedder: PromptEmbedder;

  /** @throws Error for a model without its vision tower */
  constructor(
    private readonly model: OpenModel,
    private readonly sessions: LoadedSessions,
  ) {
    if (sessions.vision === undefined) throw new Error(`${model.dir} was built without its vision graph`);
    this.embedder = new PromptEmbedder(model, sessions.vision);
  }

  async answer(
    prompt: PreparedPrompt,
    planned: readonly PlannedAnswer[],
    settings: AnswerSettings,
  ): Promise<readonly Answer[]> {
    const tokens = prompt.inputIds.length;
    const layout = promptLayout(prompt, settings.protocol === 'replay' && tokens > 1 ? 1 : 0);
    const answers: Answer[] = [];
    const begun = performance.now();
    const embeddings = await this.embedder.embed(prompt);
    const embedMs = (performance.now() - begun) / planned.length;
    for (const { observation, members } of this.group(planned, layout, answers)) {
      for (const part of this.partsOf(members, tokens)) {
        settings.signal.throwIfAborted();
        const started = performance.now();
        const found = await this.answerPart({ prompt, embeddings, layout }, observation, part, settings);
        const ms = embedMs + (performance.now() - started) / part.length;
        found.forEach((answer, i) => (answers[part[i].index] = { ...answer, ms }));
      }
    }
    return answers;
  }

  close(): Promise<void> {
    return this.sessions.release();
  }

  /** Sorts what is planned by the attention it watches; policies that watch none join any. Refusals go to `answers`. */
  private group(
    planned: readonly PlannedAnswer[],
    layout: PromptLayout,
    answers: Answer[],
  ): { readonly observation: Observation; readonly members: Started[] }[] {
    const groups = new Map<string, { observation: Observation; members: Started[] }>();
    const blind: Started[] = [];
    planned.forEach(({ policy, ratio }, index) => {
      try {
        const started = { index, ratio, selector: this.start({ policy, ratio }, layout) };
        const observation = policy.observe(layout);
        if (observation.kind === 'none') {
          blind.push(started);
          return;
        }
        const key = observationKey(observation);
        const group = groups.get(key) ?? { observation, members: [] };
        group.members.push(started);
        groups.set(key, group);
      } catch (error) {
        if (!(error instanceof GrantTooSmallError)) throw error;
        answers[index] = { kind: 'refused', reason: error.message };
      }
    });
    const [first] = groups.values();
    if (blind.length === 0) return [...groups.values()];
    if (groups.size === 0) return [{ observation: { kind: 'none' }, members: blind }];
    first.members.push(...blind);
    return [...groups.values()];
  }

  private start({ policy, ratio }: PlannedAnswer, layout: PromptLayout): LayerSelector {
    const { layers, kvHeads } = this.model.config.decoder;
    return policy.start(layout, { layers, heads: kvHeads }, { tokensPerHead: ratio * layout.tokens });
  }

  private partsOf(members: readonly Started[], tokens: number): Started[][] {
    const parts: Started[][] = [];
    let bytes = Infinity;
    for (const member of members) {
      const own = member.ratio * this.fullBytes(tokens);
      bytes += own;
      if (bytes > MOST_KEPT_BYTES) {
        parts.push([]);
        bytes = own;
      }
      parts[parts.length - 1].push(member);
    }
    return parts;
  }

  private async answerPart(
    { prompt, embeddings, layout }: { prompt: PreparedPrompt; embeddings: Float32Array; layout: PromptLayout },
    observation: Observation,
    part: readonly Started[],
    { maxTokens, protocol, signal }: AnswerSettings,
  ): Promise<GivenAnswer[]> {
    const { decoder: config, tokens: ids } = this.model.config;
    const fan = new FanOut(part.map(({ selector }) => selector));
    const memory: DecoderSessions = { ...this.sessions.decoder, memory: fan.over(this.sessions.decoder.memory) };
    const decoder = new Decoder(config, memory);
    const tokens = prompt.inputIds.length;
    const input = { embeddings, positions: prompt.positions, axes: prompt.axes, tokens };
    const options = { ...PREFILL, logits: layout.heldBack === 0 };
    try {
      const steps = prefill(decoder, input, observation, fan, new KvLedger(), options);
      let step = await steps.next();
      while (step.done !== true) {
        if (signal.aborted) await steps.return(undefined as never);
        signal.throwIfAborted();
        step = await steps.next();
      }
      const { logits } = step.value;
      const keptBytes = fan.caches.map((caches) => caches.reduce((sum, { bytes }) => sum + bytes, 0));
      const sequences = await decodeGreedily(decoder, fan.caches, prompt, {
        maxTokens,
        firstLogits: protocol === 'plain' || layout.heldBack === 0 ? logits : undefined,
        stopIds: ids.eos,
        embedding: (id) => this.embedder.row(id),
        signal,
      });
      return sequences.map((sequence, i) => this.given(sequence, fan, i, keptBytes[i], layout));
    } finally {
      fan.free();
    }
  }

  private given(
    { tokenIds, finishReason }: GreedySequence,
    fan: FanOut,
    index: number,
    keptBytes: number,
    layout: PromptLayout,
  ): GivenAnswer {
    const detokenizer = this.model.tokenizer.detokenizer();
    const textual = layout.modalities.indexOf('text');
    const width = layout.modalities.length;
    return {
      kind: 'answer',
      text: tokenIds.map((id) => detokenizer.push(id)).join('') + detokenizer.flush(),
      finishReason,
      keptBytes,
      fullBytes: this.fullBytes(layout.tokens),
      ms: 0,
      layers: fan.selections[index].map(({ rows, preference }) => ({
        rows,
        textPreference: Array.from(preference).filter((_, i) => i % width === textual),
      })),
    };
  }

  private fullBytes(tokens: number): number {
    const { layers, kvHeads, headDim } = this.model.config.decoder;
    return 2 * layers * kvHeads * headDim * Float32Array.BYTES_PER_ELEMENT * tokens;
  }
}

function observationKey(observation: Observation): string {
  if (observation.kind !== 'queries') return observation.kind;
  const { positions, weights, groupReduction } = observation;
  return `${groupReduction} ${positions.join()} ${weights.join()}`;
}
