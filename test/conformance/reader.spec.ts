import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Engine, Protocol } from '@madakv/engine';
import { scorers } from '@madakv/evaluation';
import { createPolicy } from '@madakv/madakv';
import type { PreparedImage } from '@madakv/models';
import { parse } from 'csv-parse/sync';
import { beforeAll, describe, expect, it } from 'vitest';
import { DEMO, drawnPages } from './demo.pages.js';
import { loadEngine, relativeError, request, temporaryCache } from './engine.fixture.js';
import { READER, readerFixtures, readJson, type RequestFixture } from './fixture.reader.js';

/** Of the largest logit. Both sides compute in float32, in different order. */
const LOGIT_TOLERANCE = 1e-4;
/** As `madakv demo` asks. */
const ANSWER_TOKENS = 32;
/** For all sample questions; a quarter of a minute on a machine that does nothing else. */
const SAMPLE_QUESTIONS_TIMEOUT_MS = 300_000;

/** Right answers to the sample questions that must be reached, by share of the cache. */
const floor = readJson(fileURLToPath(new URL('./reader.floor.json', import.meta.url))) as {
  questions: number;
  right: Record<string, number>;
};

/** Sets whose accuracy the model card gives, each with at least that many questions. */
const CARD_SETS = [
  'fields',
  'cells',
  'unseen labels',
  '2-8 pages',
  'mixed',
  'needle in text',
  'needle in image',
  'absent',
  'judgements',
  'PDF reportlab',
  'PDF Chromium',
  'PDF TeX',
  'PDF LibreOffice',
  'photos and forms',
  'question first',
  'question then passage',
  'passage then question',
  'schema-like',
  'instructions',
];
const CARD_QUESTIONS = 500;
const MOST_WEIGHT_BYTES = 30e6;

const cacheDir = temporaryCache();

function requireReader(): void {
  if (existsSync(join(READER, 'config.json'))) return;
  throw new Error(`the reference model is not there (${READER}); it is part of the repository, see training/README.md`);
}

function weightFiles(): Buffer[] {
  requireReader();
  const names = readdirSync(READER).filter((name) => name.endsWith('.safetensors'));
  return names.sort().map((name) => readFileSync(join(READER, name)));
}

it('is part of the repository', () => {
  expect(weightFiles()).not.toHaveLength(0);
});

describe('the reader', () => {
  let engine: Engine;
  beforeAll(async () => {
    requireReader();
    engine = await loadEngine(READER, cacheDir);
  });

  describe('like the reference', () => {
    const fixtures = readerFixtures();

    it('has fixtures of these weights; test/conformance/generate/reader.py writes them anew', () => {
      const digest = weightFiles().reduce((hash, bytes) => hash.update(bytes), createHash('sha256'));
      const weights = digest.digest('hex');
      expect(fixtures.map(({ name, expected }) => [name, expected.weights])).toEqual([
        ['a5-page', weights],
        ['text-and-image', weights],
        ['two-pages', weights],
      ]);
    });

    it.each(fixtures.flatMap((fixture) => (['plain', 'replay'] as const).map((protocol) => ({ fixture, protocol }))))(
      'answers $fixture.name ($protocol)',
      async ({ fixture, protocol }: { fixture: RequestFixture; protocol: Protocol }) => {
        const prompt = await engine.model.prepare(fixture.messages, fixture.images);
        expect(prompt.inputIds).toEqual(fixture.int('input_ids'));
        const { tokens, text } = fixture.expected.greedy;
        const result = await engine.generate(
          request(prompt, { protocol, maxTokens: tokens.length, wantFirstLogits: true }),
        );
        expect(relativeError(result.firstLogits ?? new Float32Array(0), fixture.float('last_logits'))).toBeLessThan(
          LOGIT_TOLERANCE,
        );
        expect(result.tokenIds).toEqual(tokens);
        expect(result.text).toBe(text);
      },
    );
  });

  describe('answers the sample questions', () => {
    const questions: Question[] = parse(readFileSync(join(DEMO, 'questions.csv')), { columns: true });
    let pages: Map<string, PreparedImage[]>;
    beforeAll(async () => {
      pages = await drawnPages(engine.model, new Set(questions.map(({ file }) => file)));
    });

    it('has a floor for these questions', () => {
      expect(questions).toHaveLength(floor.questions);
      expect(Object.keys(floor.right)).toEqual(expect.arrayContaining(['1', '0.2']));
    });

    it.each(Object.entries(floor.right))(
      'with a share of %s of the cache, at least %i right',
      async (ratio, least) => {
        const policy = createPolicy('madakv');
        const wrong: string[] = [];
        const ask = async ({ custom_id, file, question, answer }: Question): Promise<void> => {
          const images = pages.get(file) ?? [];
          const parts = images.map((_, index) => ({ type: 'image_url' as const, image_url: { url: `page ${index}` } }));
          const content = [...parts, { type: 'text' as const, text: question }];
          const prompt = await engine.model.prepare([{ role: 'user', content }], images);
          const { text } = await engine.generate({
            prompt,
            policy,
            cacheRatio: Number(ratio),
            maxTokens: ANSWER_TOKENS,
          });
          if (scorers.exact(text, answer) === 0) wrong.push(`${custom_id}: ${text}, not ${answer}`);
        };
        await Promise.all(questions.map(ask));
        const right = questions.length - wrong.length;
        expect(right, `${right} of ${questions.length} right; wrong:\n${wrong.join('\n')}`).toBeGreaterThanOrEqual(
          least,
        );
      },
      SAMPLE_QUESTIONS_TIMEOUT_MS,
    );
  });
});

describe('the model card', () => {
  let card: string;
  beforeAll(() => {
    requireReader();
    card = readFileSync(join(READER, 'README.md'), 'utf8');
  });

  it('gives the licence', () => {
    const [, frontMatter] = card.split('---\n');
    expect(frontMatter).toContain('license: apache-2.0\n');
  });

  it('gives the parameters that the weights have, which stay small', () => {
    const bytes = weightFiles().reduce((sum, { length }) => sum + length, 0);
    expect(bytes).toBeLessThan(MOST_WEIGHT_BYTES);
    const millions = Number(/([\d.]+) million parameters/.exec(card)?.[1]);
    // Two bytes each; a header and rounding to a tenth of a million aside.
    expect(Math.abs(bytes / 2e6 - millions)).toBeLessThan(0.1);
  });

  it.each(CARD_SETS)(`gives the accuracy on the set "%s", of at least ${CARD_QUESTIONS} questions`, (set) => {
    const rows = card.split('\n').filter((line) => line.startsWith(`| ${set} |`));
    expect(rows).toHaveLength(1);
    const [, , questions, exact, interval] = rows[0].split('|').map((cell) => cell.trim());
    expect(Number(questions)).toBeGreaterThanOrEqual(CARD_QUESTIONS);
    expect(exact).toMatch(/^\d+\.\d$/);
    expect(interval).toMatch(/^\d+\.\d-\d+\.\d$/);
  });
});

interface Question {
  readonly custom_id: string;
  readonly file: string;
  readonly question: string;
  readonly answer: string;
}
