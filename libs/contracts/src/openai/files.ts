import { z } from 'zod';

/** What may be uploaded. */
export const UploadPurposeSchema = z.enum(['batch', 'user_data']);
export const FilePurposeSchema = z.enum(['batch', 'batch_output', 'user_data']);

/** OpenAI's file object. Times are seconds since 1970. */
export const FileObjectSchema = z.object({
  id: z.string(),
  object: z.literal('file'),
  bytes: z.int().min(0),
  created_at: z.int(),
  expires_at: z.int().optional(),
  filename: z.string(),
  purpose: FilePurposeSchema,
  status: z.literal('processed'),
});

/** How long a file may be kept at its owner's wish, in seconds: an hour to 30 days. */
const [MIN_EXPIRY, MAX_EXPIRY] = [3_600, 2_592_000];
const EXPIRY_RANGE = `expected ${MIN_EXPIRY} (an hour) to ${MAX_EXPIRY} (30 days)`;
export const ExpirySecondsSchema = z
  .int()
  .min(MIN_EXPIRY, { error: EXPIRY_RANGE })
  .max(MAX_EXPIRY, { error: EXPIRY_RANGE });
/** When a file expires: so long after it was created. */
export const ExpiresAfterSchema = z.strictObject({ anchor: z.literal('created_at'), seconds: ExpirySecondsSchema });

export const FileDeletedSchema = z.object({ id: z.string(), object: z.literal('file'), deleted: z.literal(true) });

export type UploadPurpose = z.infer<typeof UploadPurposeSchema>;
export type FilePurpose = z.infer<typeof FilePurposeSchema>;
export type FileObject = z.infer<typeof FileObjectSchema>;
