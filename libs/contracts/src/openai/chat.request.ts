import { z } from 'zod';
import { optional } from './absent.js';
import { ignoredKeys, unsupportedInMessages, unsupportedKeys } from './chat.other.keys.js';
import { ResponseFormatSchema } from './response.format.js';
import { namesKnownKeys } from './schema.issues.js';

const tokens = z.int().min(1);
const MAX_STOPS = 4;
/** Levels that an option of a policy may have: numbers in lists in objects, and some room. */
const MAX_OPTION_DEPTH = 8;

/** Text that has a UTF-8 form: JSON can spell halves of surrogate pairs, which are no characters. */
const text = z
  .string()
  .refine((value) => !/\p{Surrogate}/u.test(value), 'has half of a surrogate pair (\\ud800 to \\udfff)');

/** What this project adds to an OpenAI request. Null counts as left out. */
export const MadakvOptionsSchema = z
  .strictObject({
    cache_ratio: optional(z.number().gt(0).max(1)).meta({
      description: "Share of the prompt's key-value cache that may be kept; 0.2 by default.",
    }),
    min_cache_ratio: optional(z.number().gt(0).max(1)).meta({
      description: 'Under memory pressure the share may fall to this; half of cache_ratio by default.',
    }),
    policy: optional(z.string().max(64)).meta({ description: 'Name of an eviction policy; madakv by default.' }),
    options: optional(
      z
        .record(z.string().max(64), z.unknown())
        .refine((value) => isShallow(value, MAX_OPTION_DEPTH), `expected at most ${MAX_OPTION_DEPTH} levels`),
    ).meta({ description: 'Options of that policy; it checks them itself.' }),
    pages: optional(z.string().max(1_000)).meta({
      description:
        'Pages of every PDF and TIFF of the request, like 1-3,7,12-; 1-3? takes what there is of them; all by default.',
    }),
    layout: optional(z.enum(['auto', 'as_given'])).meta({
      description:
        'auto (the default): documents are read before the text of their message where it all stands before them. as_given: never.',
    }),
    extract: optional(z.boolean()).meta({
      description:
        'true: response_format has the schema of what is to be found in the documents; each property is asked for by itself.',
    }),
  })
  .refine(({ cache_ratio = 1, min_cache_ratio = 0 }) => min_cache_ratio <= cache_ratio, {
    error: 'expected min_cache_ratio <= cache_ratio',
    path: ['min_cache_ratio'],
  });

export const TextPartSchema = z.object({ type: z.literal('text'), text });
export const ImagePartSchema = z.object({
  type: z.literal('image_url'),
  image_url: z.object({
    url: z.string().meta({ description: 'A data URL or an https URL of a PNG, JPEG, WebP or GIF image, or a TIFF.' }),
    detail: z.string().nullish().meta({ description: 'Ignored: images are always read in full.' }),
  }),
});
/** A PDF or an image. Exactly one of the three sources stands in it. */
export const FilePartSchema = z.object({
  type: z.literal('file'),
  file: z
    .object({
      file_data: optional(z.string()).meta({ description: 'The content as a data URL, or as bare base64.' }),
      file_id: optional(z.string().max(128)).meta({ description: 'A file uploaded with purpose user_data.' }),
      file_url: optional(z.string()).meta({ description: 'An https URL. An addition to the OpenAI API.' }),
      filename: optional(z.string().max(512)),
    })
    .refine(
      ({ file_data, file_id, file_url }) => [file_data, file_id, file_url].filter((x) => x !== undefined).length === 1,
      { error: 'expected exactly one of file_data, file_id and file_url' },
    ),
});
export const ContentPartSchema = z.discriminatedUnion('type', [TextPartSchema, ImagePartSchema, FilePartSchema]);

/**
 * Other keys are ignored: clients send back messages as servers gave them, with whatever these had in them. Only what an
 * assistant's message had besides its text is refused, as the conversation would lack it.
 */
export const MessageSchema = z
  .object({
    role: z.enum(['system', 'developer', 'user', 'assistant']),
    content: z.union([text, z.array(ContentPartSchema)]).nullish(),
    ...unsupportedInMessages,
  })
  .superRefine(({ role, content }, context) => {
    const missing = missingContent(role, content);
    if (missing !== undefined) context.addIssue({ code: 'custom', message: missing, path: ['content'] });
  });

/**
 * The body of an OpenAI chat completion. What it asks for is obeyed, or refused by name; `chat.other.keys.ts` has the
 * rest. Null counts as left out. `top_k` and `repetition_penalty` are vLLM's additions.
 */
export const ChatRequestSchema = z.strictObject(
  {
    model: z.string().min(1).max(256),
    messages: z.array(MessageSchema).min(1).max(256),
    temperature: z.number().min(0).max(2).nullish(),
    top_p: z.number().min(0).max(1).nullish(),
    /** 0 and -1 both mean all. */
    top_k: z.int().min(-1).nullish(),
    seed: z.int().nullish(),
    repetition_penalty: z.number().min(0.01).max(100).nullish(),
    presence_penalty: z.number().min(-2).max(2).nullish(),
    frequency_penalty: z.number().min(-2).max(2).nullish(),
    /** Empty ones would end every answer at once, so they count as left out: forms send them for a field without text. */
    stop: z
      .union([
        text,
        z.array(text).max(MAX_STOPS, {
          error: ({ input }) => `expected at most ${MAX_STOPS} strings, got ${(input as unknown[]).length}`,
        }),
      ])
      .nullish()
      .transform((stop) => (Array.isArray(stop) ? stop.filter((entry) => entry !== '') : stop === '' ? null : stop))
      .optional(),
    max_tokens: tokens.nullish(),
    max_completion_tokens: tokens.nullish(),
    logprobs: z.boolean().nullish(),
    top_logprobs: z.int().min(0).max(20).nullish(),
    response_format: ResponseFormatSchema.nullish(),
    n: z.literal(1).nullish(),
    stream: z.boolean().nullish(),
    stream_options: z
      .strictObject({
        include_usage: z.boolean().nullish(),
        include_obfuscation: z.boolean().nullish().meta({ description: 'Ignored: nothing is obfuscated.' }),
        continuous_usage_stats: z.literal(false).nullish(),
      })
      .nullish(),
    madakv: MadakvOptionsSchema.nullish(),
    ...ignoredKeys,
    ...unsupportedKeys,
  },
  { error: namesKnownKeys(() => OBEYED_KEYS) },
);

/** Keys of a body that change its answer. */
export const OBEYED_KEYS: readonly string[] = Object.keys(ChatRequestSchema.shape).filter(
  (key) => !(key in ignoredKeys) && !(key in unsupportedKeys),
);

export type MadakvOptions = z.infer<typeof MadakvOptionsSchema>;
export type ContentPart = z.infer<typeof ContentPartSchema>;
export type Message = Omit<z.infer<typeof MessageSchema>, keyof typeof unsupportedInMessages>;
export type ChatRequest = Omit<
  z.infer<typeof ChatRequestSchema>,
  keyof typeof ignoredKeys | keyof typeof unsupportedKeys | 'messages'
> & { messages: Message[] };

/** @returns what a message of this role lacks: an answer to nothing would be invented */
function missingContent(role: Message['role'], content: Message['content']): string | undefined {
  if (role === 'user') return isBlank(content) ? 'expected a text or a document, got nothing' : undefined;
  if (role === 'assistant') return undefined;
  return content == null || (content.length === 0 && Array.isArray(content))
    ? 'expected a text, got nothing'
    : undefined;
}

function isBlank(content: Message['content']): boolean {
  if (content == null) return true;
  if (typeof content === 'string') return content.trim() === '';
  return content.every((part) => part.type === 'text' && part.text.trim() === '');
}

function isShallow(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return levels > 0 && Object.values(value).every((inner) => isShallow(inner, levels - 1));
}
