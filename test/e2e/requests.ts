import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BatchResultSchema, type BatchResult } from '@madakv/contracts';
import { type OpenAI, toFile } from 'openai';
import type { Batch } from 'openai/resources/batches';
import type {
  ChatCompletionContentPart,
  ChatCompletionCreateParamsNonStreaming,
} from 'openai/resources/chat/completions';
import { expect } from 'vitest';
import { ROOT } from './service.process.js';
import { DEMO, MODEL } from './system.fixture.js';

export const PDF = join(DEMO, 'receipt.pdf');
export const PNG = `${ROOT}test/conformance/fixtures/images/page.png`;

export function dataUrl(path: string, mediaType: string): string {
  return `data:${mediaType};base64,${readFileSync(path).toString('base64')}`;
}

export type ChatBody = ChatCompletionCreateParamsNonStreaming;

/** A question of one user message, with a short answer unless something else is said. */
export function ask(content: string | ChatCompletionContentPart[], changes: Partial<ChatBody> = {}): ChatBody {
  return { model: MODEL, messages: [{ role: 'user', content }], max_completion_tokens: 4, ...changes };
}

export function filePart(file: { file_id: string } | { file_data: string }): ChatCompletionContentPart {
  return { type: 'file', file };
}

/** Minutes of work, if nobody ends it. */
export const ENDLESS: Partial<ChatBody> = { max_completion_tokens: 300_000 };

/** Uploads lines of these bodies, with `custom_id` c1, c2, ..., and creates a batch of them. */
export async function submitBatch(client: OpenAI, bodies: readonly object[]): Promise<Batch> {
  const lines = bodies.map((body, i) =>
    JSON.stringify({ custom_id: `c${i + 1}`, method: 'POST', url: '/v1/chat/completions', body }),
  );
  const file = await toFile(Buffer.from(lines.join('\n')), 'input.jsonl');
  const { id } = await client.files.create({ file, purpose: 'batch' });
  return client.batches.create({ input_file_id: id, endpoint: '/v1/chat/completions', completion_window: '24h' });
}

/** Resolves when the batch has come to an end, whichever. */
export async function ended(client: OpenAI, id: string): Promise<Batch> {
  let batch = await client.batches.retrieve(id);
  await expect
    .poll(async () => (batch = await client.batches.retrieve(id)).status, { timeout: 100_000 })
    .toMatch(/^(completed|failed|expired|cancelled)$/);
  return batch;
}

/** Lines of an output or error file; none where there is no file. */
export async function resultsOf(client: OpenAI, fileId: string | null | undefined): Promise<BatchResult[]> {
  if (fileId == null) return [];
  const text = await (await client.files.content(fileId)).text();
  return text
    .trimEnd()
    .split('\n')
    .map((line) => BatchResultSchema.parse(JSON.parse(line)));
}
