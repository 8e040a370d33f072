import OpenAI, { toFile } from 'openai';
import type { Batch } from 'openai/resources/batches';
import { z } from 'zod';
import { MODEL } from './system.fixture.js';

/** What a line of an output or error file says, without what differs between runs: ids and times. */
const ResultSchema = z.object({
  custom_id: z.string(),
  response: z
    .object({
      status_code: z.int(),
      body: z.object({
        choices: z
          .array(z.object({ message: z.object({ content: z.string() }), finish_reason: z.string() }))
          .optional(),
        usage: z.object({ prompt_tokens: z.int(), completion_tokens: z.int(), total_tokens: z.int() }).optional(),
        error: z.object({ code: z.string(), message: z.string() }).optional(),
      }),
    })
    .nullable(),
  error: z.object({ code: z.string(), message: z.string() }).nullable(),
});
export type ComparedResult = z.output<typeof ResultSchema>;

/** Lines that are answered, with the same ratio of the cache however little memory there is. */
export const ANSWERED = 18;
/** One more is refused, and one has an image that cannot be read. */
export const LINES = ANSWERED + 2;
/** Some 1,700 tokens: long enough to be killed in, and more cache in a layer than the answer takes. */
const PROMPT_WORDS = 400;
const ANSWER_TOKENS = 120;

export function customId(line: number): string {
  return `line-${line}`;
}

/** The first lines ask about one passage: they are read together. */
const GROUPED = 5;

function question(line: number): string {
  const passage = Math.max(line, GROUPED);
  const words = Array.from({ length: PROMPT_WORDS }, (_, i) => ((i * 7_919 + passage * 104_729) % 99_991).toString(36));
  return line < passage ? `${words.join(' ')} ${line}?` : `${words.join(' ')}?`;
}

/** A batch's input: lines that are answered, and after them one that is refused and one whose image cannot be read. */
export function chaosInput(): string {
  const bodies: Record<string, unknown>[] = Array.from({ length: ANSWERED }, (_, i) => ({
    messages: [{ role: 'user', content: question(i + 1) }],
    max_tokens: ANSWER_TOKENS,
  }));
  bodies.push({ messages: [{ role: 'user', content: 'hello' }], temperature: 'hot' });
  const image = { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=' } };
  bodies.push({ messages: [{ role: 'user', content: [image] }] });
  return bodies
    .map((body, i) => ({
      custom_id: customId(i + 1),
      method: 'POST',
      url: '/v1/chat/completions',
      body: { model: MODEL, temperature: 0, madakv: { cache_ratio: 0.2, min_cache_ratio: 0.2 }, ...body },
    }))
    .map((line) => `${JSON.stringify(line)}\n`)
    .join('');
}

const ENDED: ReadonlySet<string> = new Set(['completed', 'failed', 'expired', 'cancelled']);
export const hasEnded = ({ status }: Batch): boolean => ENDED.has(status);

/** A caller that does not give up: what fails for want of a server is asked again, as it was asked. */
export class PatientCaller {
  constructor(
    private readonly client: OpenAI,
    private readonly signal: AbortSignal,
  ) {}

  async ask<T>(call: (client: OpenAI) => Promise<T>): Promise<T> {
    for (;;) {
      this.signal.throwIfAborted();
      try {
        return await call(this.client);
      } catch (error) {
        if (!isPassing(error)) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }

  async upload(input: string): Promise<string> {
    const { id } = await this.ask(async (client) =>
      client.files.create({ file: await toFile(Buffer.from(input), 'input.jsonl'), purpose: 'batch' }),
    );
    return id;
  }

  /** @param key makes asking again create no second one */
  create(inputFileId: string, key: string): Promise<Batch> {
    return this.ask((client) =>
      client.batches.create(
        { input_file_id: inputFileId, endpoint: '/v1/chat/completions', completion_window: '24h' },
        { headers: { 'Idempotency-Key': key } },
      ),
    );
  }

  async submit(input: string, key: string): Promise<Batch> {
    return this.create(await this.upload(input), key);
  }

  /** Asks until the batch has ended. */
  async ended(batch: Batch): Promise<Batch> {
    for (;;) {
      const found = await this.ask((client) => client.batches.retrieve(batch.id));
      if (hasEnded(found)) return found;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** All lines of output and error file, in their order. */
  async results(batch: Batch): Promise<ComparedResult[]> {
    const texts: string[] = [];
    for (const id of [batch.output_file_id, batch.error_file_id]) {
      if (id != null) texts.push(await this.ask(async (client) => (await client.files.content(id)).text()));
    }
    return texts
      .join('')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => ResultSchema.parse(JSON.parse(line)));
  }
}

/** No server, or one that cannot now. */
function isPassing(error: unknown): boolean {
  if (error instanceof OpenAI.APIConnectionError) return true;
  return error instanceof OpenAI.APIError && typeof error.status === 'number' && error.status >= 500;
}

/** Begins to upload a file and never ends; rejects when the gateway hangs up. */
export async function halfAnUpload(url: string, apiKey: string): Promise<void> {
  const head =
    '--edge\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n' +
    '--edge\r\nContent-Disposition: form-data; name="file"; filename="half.jsonl"\r\n\r\n';
  const body = new ReadableStream<Uint8Array>({
    start: (stream) => {
      stream.enqueue(Buffer.from(head + chaosInput()));
    },
  });
  const headers = { authorization: `Bearer ${apiKey}`, 'content-type': 'multipart/form-data; boundary=edge' };
  await fetch(`${url}/v1/files`, { method: 'POST', headers, body, duplex: 'half' });
}
