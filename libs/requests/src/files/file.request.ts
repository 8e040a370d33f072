import { z } from 'zod';
import { ChatRequestSchema, describeIssues, givenKeys } from '@madakv/contracts';
import { chatMessageSchema } from '@madakv/models';
import { InputFileError } from './input.file.error.js';

/** What this project adds to an OpenAI request, without what only a system of services can do. */
const madakvSchema = z.strictObject({
  /** Share of the prompt's cache that may be kept. */
  cache_ratio: z.number().gt(0).max(1).optional(),
  /** Name of an eviction policy. */
  policy: z.string().optional(),
  /** Options of that policy; it checks them itself. */
  options: z.record(z.string(), z.unknown()).optional(),
  /** Whether images are read before the text of their message where it all stands before them. */
  layout: z.enum(['auto', 'as_given']).optional(),
});

/**
 * The body of a chat completion for the engine alone: the API's, but the model is named elsewhere, documents are images in paths or data
 * URLs, and `stream` means nothing.
 */
export const fileRequestSchema = ChatRequestSchema.extend({
  model: z.string().nullish(),
  messages: z.array(chatMessageSchema).min(1),
  madakv: madakvSchema.nullish(),
});

export type FileRequest = z.infer<typeof fileRequestSchema>;

/** @throws InputFileError naming the path of every key that is wrong */
export function checkFileRequest(value: unknown, name: string): FileRequest {
  const result = fileRequestSchema.safeParse(value);
  if (!result.success) throw new InputFileError(`${name}: ${describeIssues(result.error.issues)}`);
  return givenKeys(result.data);
}
