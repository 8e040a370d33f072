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

export const FileDeletedSchema = z.object({ id: z.string(), object: z.literal('file'), deleted: z.literal(true) });

export type UploadPurpose = z.infer<typeof UploadPurposeSchema>;
export type FilePurpose = z.infer<typeof FilePurposeSchema>;
export type FileObject = z.infer<typeof FileObjectSchema>;
