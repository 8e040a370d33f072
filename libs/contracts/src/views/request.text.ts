import { z } from 'zod';

const place = {
  start: z.int().min(0).meta({ description: 'Its first token, counted from 0.' }),
  tokens: z
    .int()
    .min(1)
    .meta({ description: 'How many it has: more than one where only several together are characters.' }),
};

/** What stands at a place of the prompt: a token of text, one that is no text, or an image. */
export const PromptPieceSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('text'), ...place, text: z.string() }),
  z.object({
    kind: z.literal('special'),
    ...place,
    text: z.string().meta({ description: 'Its name, such as <|im_end|>.' }),
  }),
  z.object({
    kind: z.literal('image'),
    ...place,
    image: z.int().min(0).meta({ description: 'Its index among the images of /view.' }),
  }),
]);

/** The text of a prompt as it was read, a page of it. */
export const RequestTextSchema = z.object({
  object: z.literal('request.text'),
  id: z.string(),
  tokens: z.int().min(0).meta({ description: 'Of the whole prompt.' }),
  data: z.array(PromptPieceSchema),
  next: z.int().nullable().meta({ description: '`from` of the page that follows; null after the last.' }),
});

export type PromptPiece = z.infer<typeof PromptPieceSchema>;
export type RequestText = z.infer<typeof RequestTextSchema>;
