import { z } from 'zod';
import { MadakvError } from '../errors.js';
import { MetadataSchema } from './batches.js';
import { MadakvOptionsSchema } from './chat.request.js';
import type { ResponseFormatSchema } from './response.format.js';
import { namesKnownKeys, requestError } from './schema.issues.js';

const TextSchema = z.object({ type: z.enum(['input_text', 'output_text']), text: z.string() });
const ImageSchema = z
  .object({
    type: z.literal('input_image'),
    image_url: z.string().nullish().meta({ description: 'A data URL or an https URL.' }),
    file_id: z.string().max(128).nullish().meta({ description: 'A file uploaded with purpose user_data.' }),
    detail: z.string().nullish().meta({ description: 'Ignored: images are always read in full.' }),
  })
  .refine(({ image_url, file_id }) => (image_url == null) !== (file_id == null), {
    error: 'expected exactly one of image_url and file_id',
  });
const FileSchema = z.object({
  type: z.literal('input_file'),
  file_data: z.string().nullish(),
  file_id: z.string().max(128).nullish(),
  file_url: z.string().nullish(),
  filename: z.string().max(512).nullish(),
});
const ItemSchema = z.object({
  type: z.literal('message').nullish(),
  role: z.enum(['user', 'assistant', 'system', 'developer']),
  content: z.union([
    z.string(),
    z.array(z.discriminatedUnion('type', [TextSchema, ImageSchema, FileSchema])).max(10_000),
  ]),
});
const FormatSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('text') }),
  z.strictObject({ type: z.literal('json_object') }),
  z.strictObject({
    type: z.literal('json_schema'),
    name: z.string(),
    description: z.string().nullish(),
    schema: z.record(z.string(), z.unknown()),
    strict: z.boolean().nullish(),
  }),
]);

/** Keys that ask for state on the server, or for tools: they may ask for nothing only. */
const nothing = <T extends z.ZodType>(schema: T, instead: string) =>
  schema.nullish().meta({ description: `Nothing else: ${instead}` });
const refusing = (what: string) => ({ error: `is not supported: ${what}` });
const STATE = 'no response is kept; send the whole conversation in input';
const TOOLS = 'there are no tools';
const WAITS = 'a batch (POST /v1/batches) is for answers that nobody waits for';

const createResponse = {
  model: z.string().min(1).max(256),
  input: z.union([z.string(), z.array(ItemSchema).min(1).max(256)]),
  instructions: z.string().nullish(),
  max_output_tokens: z.int().min(1).nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().min(0).max(1).nullish(),
  stream: z.boolean().nullish(),
  text: z.strictObject({ format: FormatSchema.nullish(), verbosity: z.string().nullish() }).nullish(),
  metadata: MetadataSchema.nullish(),
  madakv: MadakvOptionsSchema.nullish(),
  previous_response_id: nothing(z.null(refusing(STATE)), STATE),
  conversation: nothing(z.null(refusing(STATE)), STATE),
  prompt: nothing(z.null(refusing(STATE)), STATE),
  store: nothing(z.literal(false, refusing(STATE)), STATE),
  background: nothing(z.literal(false, refusing(WAITS)), WAITS),
  tools: nothing(z.array(z.unknown()).max(0, refusing(TOOLS)), TOOLS),
  tool_choice: nothing(z.enum(['none', 'auto'], refusing(TOOLS)), TOOLS),
  include: nothing(z.array(z.unknown()).max(0, refusing('nothing can be included')), 'nothing can be included'),
  truncation: nothing(z.literal('disabled', refusing('documents are never cut')), 'documents are never cut'),
  top_logprobs: nothing(z.literal(0, refusing('use /v1/chat/completions')), 'chat completions have them'),
  // Names, notes and hints: nothing in the answer hangs on them.
  user: z.unknown().optional(),
  safety_identifier: z.unknown().optional(),
  prompt_cache_key: z.unknown().optional(),
  prompt_cache_retention: z.unknown().optional(),
  service_tier: z.unknown().optional(),
  reasoning: z.unknown().optional(),
  parallel_tool_calls: z.unknown().optional(),
  max_tool_calls: z.unknown().optional(),
  stream_options: z.unknown().optional(),
};

/** The body of OpenAI's `POST /v1/responses`, as far as it asks a question without tools and without state on the server. */
export const CreateResponseSchema = z.strictObject(createResponse, {
  error: namesKnownKeys(() => Object.keys(createResponse)),
});
export type CreateResponse = z.output<typeof CreateResponseSchema>;

/** @throws MadakvError invalid_request */
export function checkCreateResponse(value: unknown): CreateResponse {
  const parsed = CreateResponseSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw requestError(parsed.error.issues);
}

/** The same question as the body of a chat completion. Instructions are its first message. */
export function chatBodyOf(body: CreateResponse): Record<string, unknown> {
  const { model, input, instructions, text, temperature, top_p, max_output_tokens, stream, madakv } = body;
  const asked =
    typeof input === 'string'
      ? [{ role: 'user', content: input }]
      : input.map(({ role, content }) => ({
          role,
          content: typeof content === 'string' ? content : content.map(partOf),
        }));
  return {
    model,
    messages: [...(instructions == null ? [] : [{ role: 'system', content: instructions }]), ...asked],
    temperature,
    top_p,
    max_completion_tokens: max_output_tokens,
    stream,
    response_format: formatOf(text?.format),
    madakv,
  };
}

/** An error about the chat completion that a response became, in the response's own names. */
export function inResponseTerms(error: MadakvError, body: CreateResponse): MadakvError {
  const { code, message, param, reason, retryAfterMs, lasting, cause } = error;
  const own = (text: string): string => renamed(text, body);
  return new MadakvError(code, own(message), {
    ...(param === undefined ? {} : { param: own(param) }),
    ...(reason === undefined ? {} : { reason }),
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
    lasting,
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Names of a chat completion's keys in a text, as the response has them. */
export function renamed(text: string, { input, instructions }: Pick<CreateResponse, 'input' | 'instructions'>): string {
  const first = instructions == null ? 0 : 1;
  return text
    .replaceAll(/\bmessages\.(\d+)(\.content)?/g, (_, index: string, content = '') => {
      if (Number(index) < first) return 'instructions';
      return typeof input === 'string' ? 'input' : `input.${Number(index) - first}${String(content)}`;
    })
    .replaceAll('response_format.json_schema', 'text.format')
    .replaceAll('response_format', 'text.format')
    .replaceAll('max_completion_tokens', 'max_output_tokens');
}

type Part = Exclude<Exclude<CreateResponse['input'], string>[number]['content'], string>[number];

function partOf(part: Part): object {
  switch (part.type) {
    case 'input_text':
    case 'output_text':
      return { type: 'text', text: part.text };
    case 'input_image':
      return part.image_url == null
        ? { type: 'file', file: { file_id: part.file_id } }
        : { type: 'image_url', image_url: { url: part.image_url } };
    case 'input_file': {
      const { file_data, file_id, file_url, filename } = part;
      return { type: 'file', file: { file_data, file_id, file_url, filename } };
    }
  }
}

function formatOf(
  format: z.output<typeof FormatSchema> | null | undefined,
): z.input<typeof ResponseFormatSchema> | undefined {
  if (format == null) return undefined;
  if (format.type !== 'json_schema') return format;
  const { type, ...json_schema } = format;
  return { type, json_schema };
}
