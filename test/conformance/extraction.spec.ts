import { join } from 'node:path';
import { checkChatRequest, type ChatRequest } from '@madakv/contracts';
import type { Engine } from '@madakv/engine';
import { createPolicy } from '@madakv/madakv';
import type { ChatMessage, ChatPart, PreparedImage } from '@madakv/models';
import { extractionAnswer, extractionRequests, type FieldResult } from '@madakv/requests';
import { beforeAll, describe, expect, it } from 'vitest';
import { INVOICE_VALUES, wrongValues } from '../sample.invoices.js';
import { DEMO, drawnPages } from './demo.pages.js';
import { loadEngine, temporaryCache } from './engine.fixture.js';
import { READER, readJson } from './fixture.reader.js';

const CACHE_RATIO = 0.2;
/** For two documents; some seconds on a machine that does nothing else. */
const TIMEOUT_MS = 300_000;

const cacheDir = temporaryCache();

describe('the reader, with the schema of the sample invoices', () => {
  let engine: Engine;
  let pages: Map<string, PreparedImage[]>;
  beforeAll(async () => {
    engine = await loadEngine(READER, cacheDir);
    pages = await drawnPages(engine.model, new Set(['invoice.pdf', 'invoice-scan.pdf']));
  }, TIMEOUT_MS);

  it.each([
    ['invoice.pdf', 7],
    ['invoice-scan.pdf', 8],
  ])(
    'finds in %s at least %i of its 13 values, each of its type',
    async (file, least) => {
      const schema = readJson(join(DEMO, 'invoice.schema.json'));
      const { plan, requests } = extractionRequests(
        checkChatRequest({
          model: 'madakv-reader',
          messages: [{ role: 'user', content: [{ type: 'file', file: { file_id: file } }] }],
          response_format: { type: 'json_schema', json_schema: { name: 'invoice', schema } },
          madakv: { extract: true, cache_ratio: CACHE_RATIO },
        }),
      );
      const images = pages.get(file) ?? [];
      const { content } = extractionAnswer(
        plan,
        await Promise.all(requests.map((each) => answered(engine, each, images))),
      );
      expect(plan.fields).toHaveLength(INVOICE_VALUES);
      const wrong = wrongValues(JSON.parse(content));
      expect(INVOICE_VALUES - wrong.length, `wrong:\n${wrong.join('\n')}`).toBeGreaterThanOrEqual(least);
    },
    TIMEOUT_MS,
  );
});

/** What the engine answers by itself, without the services around it. */
async function answered(
  engine: Engine,
  { messages, max_completion_tokens: most }: ChatRequest,
  images: readonly PreparedImage[],
): Promise<FieldResult> {
  const pages = images.map((_, index) => ({ type: 'image_url' as const, image_url: { url: `page ${index}` } }));
  const drawn = messages.map(({ role, content }): ChatMessage => {
    if (typeof content === 'string') return { role, content };
    const parts = (content ?? []).flatMap<ChatPart>((part) => (part.type === 'text' ? [part] : pages));
    return { role, content: parts };
  });
  const { text, finishReason, usage, trace } = await engine.generate({
    prompt: await engine.model.prepare(drawn, images),
    policy: createPolicy('madakv'),
    cacheRatio: CACHE_RATIO,
    maxTokens: most ?? 0,
  });
  const { full, afterEviction } = trace.bytes;
  return {
    text,
    finishReason,
    completionTokens: usage.completionTokens,
    bytes: { full, kept: afterEviction },
    traceId: '',
  };
}
