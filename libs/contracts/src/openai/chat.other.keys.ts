import { z } from 'zod';

/*
 * Keys of OpenAI's chat completions, and of the servers that speak its API, that are not obeyed here. Either what they
 * ask for changes nothing in the answer's form, then they are ignored; or it would, then they are refused unless they
 * ask for nothing. A request is never answered as if it had not asked.
 */

/** What a refused key says in `code`, as OpenAI does. */
export const UNSUPPORTED_REASON = 'unsupported_parameter';

/** Names, notes and hints: nothing in the answer's text or form hangs on them. */
export const IGNORED_KEYS = [
  'user',
  'metadata',
  'store',
  'service_tier',
  'safety_identifier',
  'prompt_cache_key',
  'prompt_cache_retention',
  'cache_prompt',
  'cache_salt',
  'priority',
  'request_id',
  'reasoning_effort',
  'verbosity',
] as const;

/** A key that is refused unless it asks for nothing. */
interface Unsupported {
  /** Whether the value asks for nothing; null and a missing key always do. */
  readonly asksNothing: (value: unknown) => boolean;
  /** What may stand there, in words. */
  readonly nothing: string;
  /** What to do instead, where there is something. */
  readonly instead?: string;
}

const isEmpty = (value: unknown): boolean =>
  Array.isArray(value) ? value.length === 0 : isObject(value) && Object.keys(value).length === 0;
const is =
  (...values: readonly unknown[]) =>
  (value: unknown): boolean =>
    values.includes(value);
const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const NULL: Unsupported = { asksNothing: () => false, nothing: 'null' };
const EMPTY: Unsupported = { asksNothing: isEmpty, nothing: 'null or an empty one' };
const EMPTY_TEXT: Unsupported = { asksNothing: is(''), nothing: 'null or ""' };
const only = (...values: readonly (string | number | boolean)[]): Unsupported => ({
  asksNothing: is(...values),
  nothing: ['null', ...values.map((value) => JSON.stringify(value))].join(' or '),
});

/** What is refused by name, with what may stand there nevertheless. */
export const UNSUPPORTED_KEYS = {
  tools: EMPTY,
  // Without tools, which are refused, these ask for what is done anyway.
  tool_choice: only('none', 'auto'),
  parallel_tool_calls: only(true, false),
  functions: EMPTY,
  function_call: only('none', 'auto'),
  modalities: {
    asksNothing: (value) => isEmpty(value) || (Array.isArray(value) && value.every(is('text'))),
    nothing: 'null or ["text"]',
  },
  audio: NULL,
  prediction: NULL,
  web_search_options: NULL,
  logit_bias: EMPTY,
  suffix: EMPTY_TEXT,
  best_of: only(1),
  echo: only(false),
  use_beam_search: only(false),
  length_penalty: only(1),
  min_p: only(0),
  min_tokens: only(0),
  ignore_eos: only(false),
  stop_token_ids: EMPTY,
  include_stop_str_in_output: only(false),
  bad_words: EMPTY,
  allowed_token_ids: EMPTY,
  logits_processors: EMPTY,
  skip_special_tokens: only(true),
  spaces_between_special_tokens: only(true, false),
  prompt_logprobs: NULL,
  truncate_prompt_tokens: NULL,
  add_generation_prompt: only(true),
  continue_final_message: only(false),
  add_special_tokens: only(false),
  chat_template: NULL,
  chat_template_kwargs: EMPTY,
  mm_processor_kwargs: EMPTY,
  documents: { ...EMPTY, instead: 'send documents as parts of a message' },
  guided_json: NULL,
  guided_regex: NULL,
  guided_choice: EMPTY,
  guided_grammar: NULL,
  structured_outputs: EMPTY,
  json_schema: NULL,
  regex: NULL,
  ebnf: NULL,
  grammar: EMPTY_TEXT,
} as const satisfies Readonly<Record<string, Unsupported>>;

export type IgnoredKey = (typeof IGNORED_KEYS)[number];
export type UnsupportedKey = keyof typeof UNSUPPORTED_KEYS;

/** An optional value that may be anything and is left out of what is parsed. */
const leftOut = (schema: z.ZodType, description: string) =>
  schema
    .transform(() => undefined)
    .optional()
    .meta({ description });

type LeftOut<K extends string> = Record<K, ReturnType<typeof leftOut>>;

/** Schemas of the ignored keys. */
export const ignoredKeys = Object.fromEntries(
  IGNORED_KEYS.map((key) => [key, leftOut(z.unknown(), 'Ignored.')]),
) as LeftOut<IgnoredKey>;

const unsupported = ({ asksNothing, nothing, instead }: Unsupported) => {
  const schema = z.unknown().refine((value) => value === null || asksNothing(value), {
    error: `not supported; leave it out, or ${instead ?? `send ${nothing}`}`,
    params: { reason: UNSUPPORTED_REASON },
  });
  return leftOut(schema, `Not supported: only ${nothing}.`);
};

/** Schemas of the refused keys. */
export const unsupportedKeys = Object.fromEntries(
  Object.entries<Unsupported>(UNSUPPORTED_KEYS).map(([key, what]) => [key, unsupported(what)]),
) as LeftOut<UnsupportedKey>;

/** What an assistant's message may carry in OpenAI's API and a prompt cannot hold here. */
export const unsupportedInMessages = {
  tool_calls: unsupported(EMPTY),
  function_call: unsupported(NULL),
  audio: unsupported(NULL),
} as const;
