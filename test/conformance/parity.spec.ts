import type { Protocol } from '@madakv/engine';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Engine } from '@madakv/engine';
import { loadEngine, relativeError, request, temporaryCache } from './engine.fixture.js';
import { requestFixtures, type RequestFixture } from './fixture.reader.js';

/** Of the largest logit. Both sides compute in float32, in different order. */
const LOGIT_TOLERANCE = 1e-4;

const cacheDir = temporaryCache();
const byCheckpoint = groupByCheckpoint(requestFixtures());

describe.each([...byCheckpoint])('%s', (checkpoint, fixtures) => {
  let engine: Engine;
  beforeAll(async () => {
    // Chunks that divide no prompt's length put chunk borders into images as well as text.
    engine = await loadEngine(checkpoint, cacheDir, { chunkTokens: 37 });
  });

  it.each(fixtures.flatMap((fixture) => (['plain', 'replay'] as const).map((protocol) => ({ fixture, protocol }))))(
    'answers $fixture.name like the reference ($protocol)',
    async ({ fixture, protocol }: { fixture: RequestFixture; protocol: Protocol }) => {
      const prompt = await engine.model.prepare(fixture.messages, fixture.images);
      const { tokens } = fixture.expected.greedy;
      const result = await engine.generate(
        request(prompt, { protocol, maxTokens: tokens.length, wantFirstLogits: true }),
      );
      expect(relativeError(result.firstLogits ?? new Float32Array(0), fixture.float('last_logits'))).toBeLessThan(
        LOGIT_TOLERANCE,
      );
      expect(result.tokenIds).toEqual(tokens);
      expect(result.text).toBe(fixture.expected.greedy.text);
      expect(engine.kvBytes).toBe(0);
    },
  );
});

function groupByCheckpoint(fixtures: RequestFixture[]): Map<string, RequestFixture[]> {
  const groups = new Map<string, RequestFixture[]>();
  for (const entry of fixtures) groups.set(entry.checkpoint, [...(groups.get(entry.checkpoint) ?? []), entry]);
  return groups;
}
