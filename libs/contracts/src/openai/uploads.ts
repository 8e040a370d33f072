import { z } from 'zod';
import { ExpiresAfterSchema, FileObjectSchema, UploadPurposeSchema } from './files.js';
import { namesKnownKeys } from './schema.issues.js';

/** Bytes of one upload in parts, at most; a gateway may be set to less. */
export const MAX_UPLOAD_BYTES = 8 * 1024 ** 3;
/** Bytes of one part. */
export const MAX_PART_BYTES = 64 * 1024 ** 2;
/** Parts of one upload. */
export const MAX_PARTS = 10_000;

const createUpload = {
  bytes: z.int().min(1).meta({ description: 'Of all parts together.' }),
  filename: z.string().min(1).max(1_024),
  mime_type: z
    .string()
    .min(1)
    .max(255)
    .meta({ description: 'Not looked at: what a document is shows in its content.' }),
  purpose: UploadPurposeSchema,
  expires_after: ExpiresAfterSchema.nullish().meta({
    description: 'When the file expires, counted from when it is there.',
  }),
};
export const CreateUploadSchema = z.strictObject(createUpload, {
  error: namesKnownKeys(() => Object.keys(createUpload)),
});

const completeUpload = {
  part_ids: z.array(z.string().max(128)).min(1).max(MAX_PARTS).meta({ description: 'In the order of the content.' }),
  md5: z
    .string()
    .regex(/^[0-9a-fA-F]{32}$/, 'expected 32 hexadecimal digits')
    .nullish()
    .meta({ description: 'Of the whole content: 32 hexadecimal digits.' }),
};
export const CompleteUploadSchema = z.strictObject(completeUpload, {
  error: namesKnownKeys(() => Object.keys(completeUpload)),
});

export const UploadStatusSchema = z.enum(['pending', 'completed', 'cancelled', 'expired']);

/** OpenAI's upload object. Times are seconds since 1970. */
export const UploadObjectSchema = z.object({
  id: z.string(),
  object: z.literal('upload'),
  bytes: z.int(),
  created_at: z.int(),
  filename: z.string(),
  purpose: UploadPurposeSchema,
  status: UploadStatusSchema,
  expires_at: z.int(),
  file: FileObjectSchema.nullable().meta({ description: 'Once it is completed.' }),
});

export const UploadPartSchema = z.object({
  id: z.string(),
  object: z.literal('upload.part'),
  created_at: z.int(),
  upload_id: z.string(),
});

export type CreateUpload = z.infer<typeof CreateUploadSchema>;
export type CompleteUpload = z.infer<typeof CompleteUploadSchema>;
export type UploadStatus = z.infer<typeof UploadStatusSchema>;
export type UploadObject = z.infer<typeof UploadObjectSchema>;
export type UploadPart = z.infer<typeof UploadPartSchema>;
