import { answerGrammar, SchemaError, type AnswerFormat, type Schema } from '@madakv/grammar';
import { z } from 'zod';
import { namesKnownKeys } from './schema.issues.js';

/** What a schema that cannot be honoured says in `code`. */
export const SCHEMA_REASON = 'unsupported_schema';

const SCHEMA_KEYS = ['name', 'description', 'schema', 'strict'];

const JsonSchemaSchema = z.strictObject(
  {
    name: z.string().regex(/^[\w-]{1,64}$/, 'expected 1 to 64 letters, digits, _ or -'),
    description: z.string().nullish().meta({ description: 'Ignored: nothing is added to the prompt.' }),
    schema: z.record(z.string(), z.unknown()).meta({ description: 'A JSON schema; docs/api.md lists its keywords.' }),
    strict: z.boolean().nullish().meta({ description: "OpenAI's rules for the schema. It is obeyed either way." }),
  },
  { error: namesKnownKeys(() => SCHEMA_KEYS) },
);

/** OpenAI's `response_format`. What was parsed can be honoured. `text` asks for nothing. */
export const ResponseFormatSchema = z
  .discriminatedUnion('type', [
    z.strictObject({ type: z.literal('text') }),
    z.strictObject({ type: z.literal('json_object') }),
    z.strictObject({ type: z.literal('json_schema'), json_schema: JsonSchemaSchema }),
  ])
  .superRefine((format, context) => {
    const wanted = answerFormat(format);
    if (wanted === undefined) return;
    try {
      answerGrammar(wanted);
    } catch (error) {
      if (!(error instanceof SchemaError)) throw error;
      const path = ['json_schema', 'schema', ...error.path];
      // Nothing else is said about a schema that cannot be read.
      const params = { reason: SCHEMA_REASON };
      context.addIssue({ code: 'custom', message: error.message, path, params, continue: false });
    }
  });

export type ResponseFormat = z.infer<typeof ResponseFormatSchema>;

/** What the answer has to be, or undefined for any text. */
export function answerFormat(format: ResponseFormat | null | undefined): AnswerFormat | undefined {
  switch (format?.type) {
    case undefined:
    case 'text':
      return undefined;
    case 'json_object':
      return { kind: 'json_object' };
    case 'json_schema': {
      const { schema, strict } = format.json_schema;
      return { kind: 'json_schema', schema: schema as Schema, strict: strict === true };
    }
  }
}
