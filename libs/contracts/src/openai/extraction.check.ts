import { extractionPlan } from '@madakv/extraction';
import { SchemaError } from '@madakv/grammar';
import type { z } from 'zod';
import { UNSUPPORTED_REASON } from './chat.other.keys.js';
import { SCHEMA_REASON, type ResponseFormat } from './response.format.js';

/** The keys of a request that an extraction is about. */
interface ExtractionRequest {
  readonly messages: readonly { readonly role: string }[];
  readonly response_format?: ResponseFormat | null | undefined;
  readonly logprobs?: boolean | null | undefined;
  readonly top_logprobs?: number | null | undefined;
  readonly stream?: boolean | null | undefined;
  readonly madakv?: { readonly extract?: boolean | undefined } | null | undefined;
}

/**
 * Whether a request with `madakv.extract` says what is to be extracted, and asks for nothing that an object made of many
 * answers does not have.
 */
export function checkExtraction(request: ExtractionRequest, context: z.core.$RefinementCtx): void {
  if (request.madakv?.extract !== true) return;
  const { messages, response_format: format, stream, logprobs, top_logprobs: top } = request;
  const refuse = (path: readonly string[], message: string, reason?: string): void => {
    context.addIssue({
      code: 'custom',
      path: [...path],
      message,
      ...(reason === undefined ? {} : { params: { reason } }),
    });
  };
  if (format?.type !== 'json_schema') {
    refuse(['response_format'], 'expected json_schema: its schema says what madakv.extract looks for');
  } else {
    try {
      // What may stand in a schema at all, response_format has checked.
      extractionPlan(format.json_schema.schema, { isChecked: true });
    } catch (error) {
      if (!(error instanceof SchemaError)) throw error;
      refuse(['response_format', 'json_schema', 'schema', ...error.path], error.message, SCHEMA_REASON);
    }
  }
  if (messages.at(-1)?.role !== 'user') {
    refuse(
      ['messages'],
      'expected a message of the user at the end: madakv.extract puts its questions behind the documents in it',
    );
  }
  if (stream === true) {
    refuse(
      ['stream'],
      'not supported beside madakv.extract: the object is there when its last field is',
      UNSUPPORTED_REASON,
    );
  }
  if (logprobs === true || (top ?? 0) > 0) {
    refuse(['logprobs'], 'not supported beside madakv.extract: the object is made of many answers', UNSUPPORTED_REASON);
  }
}
