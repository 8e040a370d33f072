import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GrantTooSmallError, ImportanceError } from './errors.js';
import { layoutOf, type PromptPart, QUESTION_WINDOW } from './layout.js';
import { madakvDefaults } from './policies/madakv.options.js';
import { createPolicy, policies } from './policies/registry.js';
import type { EvictionPolicy, LayerSelection, ModelShape, PromptLayout } from './policy.js';

/** A request: what a policy is started with, and the importance of every layer. */
interface Request {
  readonly prompt: PromptLayout;
  readonly model: ModelShape;
  /** Where the grant lies between the policy's minimum (0) and the whole prompt (1); above 1: more than the prompt. */
  readonly fill: number;
  readonly importance: readonly Float32Array[];
}

const shapes = [
  'uniform',
  'heavy tail',
  'zeros',
  'equal',
  'few levels',
  'one token',
  'denormal',
  'one modality',
] as const;

const requests = fc
  .record({
    parts: fc.array(
      fc.oneof(
        fc.record({ modality: fc.constantFrom('text', 'audio'), tokens: fc.integer({ min: 1, max: 20 }) }),
        fc.record({
          modality: fc.constant('visual'),
          rows: fc.integer({ min: 1, max: 5 }),
          cols: fc.integer({ min: 1, max: 9 }),
          frames: fc.integer({ min: 1, max: 2 }),
        }),
      ),
      { maxLength: 5 },
    ),
    question: fc.oneof({ weight: 5, arbitrary: fc.integer({ min: 1, max: 40 }) }, fc.integer({ min: 41, max: 300 })),
    after: fc.integer({ min: 0, max: 2 }),
    heldBack: fc.integer({ min: 0, max: 1 }),
    layers: fc.integer({ min: 1, max: 7 }),
    heads: fc.integer({ min: 1, max: 3 }),
    fill: fc.oneof(fc.constantFrom(0, 1, 1.5), fc.double({ min: 0, max: 1, noNaN: true })),
    shape: fc.array(fc.constantFrom(...shapes), { minLength: 7, maxLength: 7 }),
    seed: fc.integer(),
  })
  .map(({ parts, question, after, heldBack, layers, heads, fill, shape, seed }): Request => {
    const asked: PromptPart[] = [{ modality: 'text', tokens: question, question: true }];
    if (after > 0) asked.push({ modality: 'text', tokens: after });
    const prompt = layoutOf([...parts, ...asked], heldBack, ['text', 'visual', 'audio', 'video']);
    const importance = shape.slice(0, layers).map((kind, layer) => draw(kind, prompt, heads, seed + layer));
    return { prompt, model: { layers, heads }, fill, importance };
  });

function draw(
  kind: (typeof shapes)[number],
  { tokens, modalityOf }: PromptLayout,
  heads: number,
  seed: number,
): Float32Array {
  let state = seed;
  const random = (): number => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9;
    return ((state ^ (state >>> 13)) >>> 0) / 2 ** 32;
  };
  const hot = Math.floor(random() * tokens);
  return Float32Array.from({ length: heads * tokens }, (_, i) => {
    const at = i % tokens;
    if (kind === 'uniform') return random();
    if (kind === 'heavy tail') return Math.exp(-20 * random());
    if (kind === 'zeros') return i % 2 === 0 ? 0 : -0;
    if (kind === 'equal') return 0.25;
    if (kind === 'few levels') return Math.floor(random() * 3) / 2;
    if (kind === 'one token') return at === hot ? 1 : 0;
    if (kind === 'denormal') return random() * 1e-40;
    return modalityOf[at] === modalityOf[hot] ? random() : 0;
  });
}

function grantOf(policy: EvictionPolicy, { prompt, fill }: Request): number {
  const minimum = policy.minimumTokensPerHead(prompt);
  return fill > 1 ? fill * prompt.tokens : minimum + fill * (prompt.tokens - minimum);
}

function run(policy: EvictionPolicy, request: Request, tokensPerHead = grantOf(policy, request)): LayerSelection[] {
  const selector = policy.start(request.prompt, request.model, { tokensPerHead });
  return request.importance.map((psi, layer) => selector.select(layer, psi));
}

function count(positions: Int32Array, holds: (position: number) => boolean): number {
  return positions.reduce((sum, position) => sum + (holds(position) ? 1 : 0), 0);
}

function heads(selection: LayerSelection, { heads: count }: ModelShape): Int32Array[] {
  return Array.from({ length: count }, (_, h) => selection.kept.subarray(h * selection.rows, (h + 1) * selection.rows));
}

/** fast-check over all requests; the assertions are vitest's. */
function forAll(check: (request: Request) => void, numRuns = 150): void {
  fc.assert(fc.property(requests, check), { numRuns });
}

describe.each(Object.entries(policies))('%s', (name, entry) => {
  const policy = createPolicy(name);

  it('spends exactly the grant over all layers, held-back rows included (1, 3)', () => {
    forAll((request) => {
      const { prompt, model } = request;
      const tokensPerHead = grantOf(policy, request);
      const layers = run(policy, request, tokensPerHead);
      const spent = layers.reduce((sum, { rows }) => sum + rows + prompt.heldBack, 0);
      expect(spent).toBeLessThanOrEqual(tokensPerHead * model.layers);
      expect(spent).toBe(Math.floor(Math.min(tokensPerHead, prompt.tokens) * model.layers));
    });
  });

  it('keeps unique candidates in ascending order, as many in every head, and counts them by modality (3)', () => {
    forAll((request) => {
      const { prompt, model } = request;
      const modalities = prompt.modalities.length;
      for (const selection of run(policy, request)) {
        expect(selection.kept).toHaveLength(model.heads * selection.rows);
        expect(selection.keptByModality).toHaveLength(model.heads * modalities);
        heads(selection, model).forEach((kept, head) => {
          expect(kept.every((position, i) => position > (i === 0 ? -1 : kept[i - 1]))).toBe(true);
          expect(kept.every((position) => position < prompt.tokens - prompt.heldBack)).toBe(true);
          for (let m = 0; m < modalities; m++) {
            const counted = count(kept, (position) => prompt.modalityOf[position] === m);
            expect(selection.keptByModality[head * modalities + m]).toBe(counted);
          }
        });
      }
    });
  });

  it('reports finite figures, and a preference that sums to 1 in every head', () => {
    forAll((request) => {
      const { prompt, model } = request;
      for (const { target, demand, compensation, preference } of run(policy, request)) {
        expect([target, demand, compensation].every(Number.isFinite)).toBe(true);
        expect(demand).toBeLessThanOrEqual(prompt.tokens - prompt.heldBack);
        for (let head = 0; head < model.heads; head++) {
          const weights = preference.subarray(head * prompt.modalities.length, (head + 1) * prompt.modalities.length);
          const sum = weights.reduce((total, weight) => total + weight, 0);
          expect(weights.every((weight) => weight >= 0)).toBe(true);
          if (prompt.tokens > prompt.heldBack) expect(Math.abs(sum - 1) < 1e-5 || sum === 0).toBe(true);
        }
      }
    });
  });

  it('starves no layer and, where it says so, no present modality (2)', () => {
    forAll((request) => {
      const { prompt, model } = request;
      const candidates = prompt.tokens - prompt.heldBack;
      const present = prompt.modalities.map((_, m) => prompt.modalityOf.subarray(0, candidates).includes(m));
      for (const selection of run(policy, request)) {
        expect(selection.rows).toBeGreaterThanOrEqual(Math.min(1, candidates));
        if (!entry.keepsEveryModality) continue;
        for (let head = 0; head < model.heads; head++) {
          present.forEach((isPresent, m) => {
            const kept = selection.keptByModality[head * present.length + m];
            expect(kept > 0).toBe(isPresent);
          });
        }
      }
    });
  });

  it('keeps everything when the grant holds the prompt (4)', () => {
    forAll((request) => {
      const { prompt, model } = request;
      const all = Array.from({ length: prompt.tokens - prompt.heldBack }, (_, i) => i);
      for (const selection of run(policy, request, prompt.tokens)) {
        for (const kept of heads(selection, model)) expect([...kept]).toEqual(all);
      }
    });
  });

  // questionCap by default.
  const share = name.startsWith('madakv') && name !== 'madakv-paper' ? madakvDefaults.questionCap : 0.5;

  it('keeps the last prompt token always, and the question where it fits (also where it is longer than the grant)', () => {
    forAll((request) => {
      const { prompt, model } = request;
      const candidates = prompt.tokens - prompt.heldBack;
      const { start } = prompt.question;
      const end = Math.min(prompt.question.end, candidates);
      const tokensPerHead = grantOf(policy, request);
      const mean = Math.floor(tokensPerHead) - prompt.heldBack;
      // Room: the tokens behind the question and the last one, four sinks, a floor for each of four modalities.
      const behind = prompt.tokens - prompt.question.end;
      const cap = Math.min(Math.floor(mean * share) - 1 - behind, mean - 9 - behind);
      for (const selection of run(policy, request, tokensPerHead)) {
        for (const kept of heads(selection, model)) {
          if (prompt.heldBack === 0) expect(kept.at(-1)).toBe(candidates - 1);
          const recent = Math.max(start, prompt.question.end - QUESTION_WINDOW, end - Math.max(0, cap));
          expect(count(kept, (position) => position >= recent && position < end)).toBe(Math.max(0, end - recent));
        }
      }
    });
  });

  it('selects the same for the same input, wherever it lies in memory, and leaves the input alone (6)', () => {
    forAll((request) => {
      const first = run(policy, request);
      const before = request.importance.map((psi) => psi.slice());
      const moved = request.importance.map((psi) => {
        const padded = new Float32Array(psi.length + 3).fill(NaN);
        padded.set(psi, 3);
        return padded.subarray(3);
      });
      expect(run(createPolicy(name), { ...request, importance: moved })).toEqual(first);
      expect(request.importance).toEqual(before);
    }, 60);
  });

  it('ignores what is held back', () => {
    forAll((request) => {
      const { prompt, importance } = request;
      if (prompt.heldBack === 0) return;
      const other = importance.map((psi) => psi.map((value, i) => ((i + 1) % prompt.tokens === 0 ? NaN : value)));
      const kept = run(policy, request).map((selection) => selection.kept);
      expect(run(policy, { ...request, importance: other }).map((selection) => selection.kept)).toEqual(kept);
    }, 60);
  });

  it('rejects a grant below its minimum with the numbers', () => {
    forAll(({ prompt, model }) => {
      const minimum = policy.minimumTokensPerHead(prompt);
      for (const tokensPerHead of [minimum - 1, minimum - 1 / model.layers, -1, NaN]) {
        const numbers = { tokensPerHead, minimumTokensPerHead: minimum, promptTokens: prompt.tokens };
        const start = (): unknown => policy.start(prompt, model, { tokensPerHead });
        expect(start).toThrow(GrantTooSmallError);
        expect(start).toThrow(expect.objectContaining(numbers) as Error);
      }
    }, 40);
  });

  it('works on a prompt of one token', () => {
    for (const heldBack of [0, 1]) {
      const prompt = layoutOf([{ modality: 'text', tokens: 1, question: true }], heldBack);
      const [selection] = policy
        .start(prompt, { layers: 1, heads: 2 }, { tokensPerHead: 1 })
        .select(0, Float32Array.of(1, 1))
        .kept.join();
      expect(selection).toBe(heldBack === 1 ? undefined : '0');
    }
  });

  it('rejects importance that is no weight, of the wrong shape, or out of order', () => {
    const prompt = layoutOf(
      [
        { modality: 'visual', rows: 4, cols: 4 },
        { modality: 'text', tokens: 4, question: true },
      ],
      1,
    );
    const selector = () => policy.start(prompt, { layers: 2, heads: 1 }, { tokensPerHead: prompt.tokens });
    const psi = new Float32Array(20).fill(0.1);
    expect(() => selector().select(1, psi)).toThrow(ImportanceError);
    expect(() => selector().select(0, new Float32Array(19))).toThrow(ImportanceError);
    if (policy.observe(prompt).kind === 'none') return;
    for (const bad of [NaN, -1, Infinity]) {
      expect(() => selector().select(0, psi.with(7, bad))).toThrow(/head 0, position 7/);
    }
    expect(() => selector().select(0, new Float32Array(0))).toThrow(ImportanceError);
  });

  it.each(shapes)('holds at 32k tokens: %s', (shape) => {
    const pages = Array.from({ length: 32 }, () => ({ modality: 'visual', rows: 25, cols: 40 }));
    const prompt = layoutOf(
      [{ modality: 'text', tokens: 700 }, ...pages, { modality: 'text', tokens: 68, question: true }],
      1,
    );
    const model = { layers: 2, heads: 2 };
    const importance = [draw(shape, prompt, 2, 1), draw(shape, prompt, 2, 2)];
    const tokensPerHead = name === 'full' ? prompt.tokens : 0.05 * prompt.tokens;
    const layers = run(policy, { prompt, model, fill: 0, importance }, tokensPerHead);
    expect(layers.reduce((sum, { rows }) => sum + rows + 1, 0)).toBe(Math.floor(2 * tokensPerHead));
    for (const { kept, preference, demand } of layers) {
      expect(kept.every((position) => position >= 0 && position < prompt.tokens - 1)).toBe(true);
      expect(preference.every(Number.isFinite) && Number.isFinite(demand)).toBe(true);
    }
  });
});
