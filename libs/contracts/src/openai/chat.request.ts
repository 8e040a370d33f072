import { z } from 'zod';

const tokens = z.int().min(1);

/** What this project adds to an OpenAI request. Unlike around it, an unknown key in here is a mistake. */
export const MadakvOptionsSchema = z
  .strictObject({
    cache_ratio: z
      .number()
      .gt(0)
      .max(1)
      .optional()
      .meta({ description: "Share of the prompt's key-value cache that may be kept; 0.2 by default." }),
    min_cache_ratio: z
      .number()
      .gt(0)
      .max(1)
      .optional()
      .meta({ description: 'Under memory pressure the share may fall to this; half of cache_ratio by default.' }),
    policy: z.string().max(64).optional().meta({ description: 'Name of an eviction policy; madakv by default.' }),
    options: z
      .record(z.string().max(64), z.unknown())
      .optional()
      .meta({ description: 'Options of that policy; it checks them itself.' }),
    pages: z
      .string()
      .max(1_000)
      .optional()
      .meta({ description: 'Pages of every PDF of the request, like 1-3,7,12-; all by default.' }),
    layout: z.enum(['auto', 'as_given']).optional().meta({
      description:
        'auto (the default): documents are read before the text of their message where it all stands before them. as_given: never.',
    }),
  })
  .refine(({ cache_ratio = 1, min_cache_ratio = 0 }) => min_cache_ratio <= cache_ratio, {
    error: 'expected min_cache_ratio <= cache_ratio',
    path: ['min_cache_ratio'],
  });

export const TextPartSchema = z.object({ type: z.literal('text'), text: z.string() });
export const ImagePartSchema = z.object({
  type: z.literal('image_url'),
  image_url: z.object({
    url: z.string().meta({ description: 'A data URL or an https URL of a PNG, JPEG or WebP image.' }),
    detail: z.string().nullish(),
  }),
});
/** A PDF or an image. Exactly one of the three sources stands in it. */
export const FilePartSchema = z.object({
  type: z.literal('file'),
  file: z
    .object({
      file_data: z.string().optional().meta({ description: 'The content as a data URL, or as bare base64.' }),
      file_id: z.string().max(128).optional().meta({ description: 'A file uploaded with purpose user_data.' }),
      file_url: z.string().optional().meta({ description: 'An https URL. An addition to the OpenAI API.' }),
      filename: z.string().max(512).optional(),
    })
    .refine(
      ({ file_data, file_id, file_url }) => [file_data, file_id, file_url].filter((x) => x !== undefined).length === 1,
      { error: 'expected exactly one of file_data, file_id and file_url' },
    ),
});
export const ContentPartSchema = z.discriminatedUnion('type', [TextPartSchema, ImagePartSchema, FilePartSchema]);

/** `content` may be null, as an assistant's is when it called a tool. */
export const MessageSchema = z.object({
  role: z.enum(['system', 'developer', 'user', 'assistant']),
  content: z.union([z.string(), z.array(ContentPartSchema).min(1)]).nullish(),
});

/**
 * The body of an OpenAI chat completion, as far as it is understood here; other keys are ignored, as OpenAI does. Null
 * counts as left out. `top_k` and `repetition_penalty` are vLLM's additions.
 */
export const ChatRequestSchema = z.object({
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
  stop: z.union([z.string(), z.array(z.string()).max(4)]).nullish(),
  max_tokens: tokens.nullish(),
  max_completion_tokens: tokens.nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  n: z.literal(1).nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
  madakv: MadakvOptionsSchema.nullish(),
});

export type MadakvOptions = z.infer<typeof MadakvOptionsSchema>;
export type ContentPart = z.infer<typeof ContentPartSchema>;
export type Message = z.infer<typeof MessageSchema>;
export type ChatRequest = z.infer<typeof ChatRequestSchema>;
