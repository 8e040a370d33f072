import { z } from 'zod';

const token = z.int().min(0);

/**
 * The text of a prompt as the model read it, token by token. It is content as pictures of pages are: kept beside them, for as long and for
 * nobody but the request's tenant, and never in a trace.
 */
export const PromptTextSchema = z.object({
  version: z.literal(1),
  /** Of the prompt. */
  tokens: token,
  /** In the order of the prompt, without gaps. */
  runs: z.array(
    z.discriminatedUnion('kind', [
      /** `start`: of its first piece. A piece of one token is its text; one of several, which only together are characters, has their number. */
      z.object({
        kind: z.literal('text'),
        start: token,
        pieces: z.array(z.union([z.string(), z.tuple([z.string(), z.int().min(2)])])),
      }),
      /** A token that is no text, such as the beginning of a turn, by its name in the vocabulary. */
      z.object({ kind: z.literal('special'), start: token, text: z.string() }),
      /** `image`: its index among the images of the request. */
      z.object({ kind: z.literal('image'), start: token, tokens: token, image: z.int().min(0) }),
    ]),
  ),
});

export type PromptText = z.infer<typeof PromptTextSchema>;
