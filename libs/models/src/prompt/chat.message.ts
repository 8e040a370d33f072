import { z } from 'zod';

const textPart = z.object({ type: z.literal('text'), text: z.string() });
const imagePart = z.object({ type: z.literal('image_url'), image_url: z.looseObject({ url: z.string() }) });

/** A message of an OpenAI chat request. `content` may be null, as an assistant's is when it called a tool. */
export const chatMessageSchema = z.looseObject({
  role: z.string(),
  content: z.union([z.string(), z.array(z.union([textPart, imagePart]))]).nullish(),
});

export type ChatMessage = z.infer<typeof chatMessageSchema>;
export type ChatPart = z.infer<typeof textPart> | z.infer<typeof imagePart>;

/** URLs of all images in the order `prepare` expects them. */
export function imageUrls(messages: readonly ChatMessage[]): string[] {
  return messages.flatMap(({ content }) =>
    Array.isArray(content) ? content.flatMap((part) => (part.type === 'image_url' ? [part.image_url.url] : [])) : [],
  );
}
