import type { LocalFlags } from '../api/server.access.js';
import type { RequestFlags } from './batch.input.js';

/** Flags of `batch run`. */
export interface BatchRunFlags extends LocalFlags, RequestFlags {
  readonly questions?: string;
  readonly encoding?: string;
  readonly out?: string;
  readonly rawCsv?: true;
  readonly keepFiles?: true;
  readonly detach?: true;
}
