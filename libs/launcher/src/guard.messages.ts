import { z } from 'zod';
import { ProcessIdentitySchema } from './process.identity.js';

const EndingProcessSchema = ProcessIdentitySchema.extend({ graceMs: z.number().min(0) });

/** What the orphan guard is told, one JSON object a line. */
export const GuardMessageSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('started'), process: EndingProcessSchema }),
  z.object({ kind: z.literal('ended'), pid: z.int() }),
]);

export type GuardMessage = z.infer<typeof GuardMessageSchema>;
