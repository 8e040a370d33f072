import type { LocalFlags } from '../api/server.access.js';
import type { RequestFlags } from '../batch/batch.input.js';

/** Flags of `extract`. */
export interface ExtractFlags extends LocalFlags, RequestFlags {
  readonly schema: string;
  readonly out?: string;
  readonly details?: string;
  readonly rawCsv?: true;
  readonly keepFiles?: true;
  readonly detach?: true;
}
