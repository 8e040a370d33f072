import { milliseconds, wholeNumber } from '@madakv/contracts';

const MEBIBYTE = 1024 ** 2;

/** Environment of the batch role; the worker spreads it into its own schema. */
export const BATCH_SETTINGS = {
  MADAKV_BATCH_CONCURRENCY: wholeNumber({
    min: 1,
    max: 100,
    default: 4,
    about: 'Batches that one worker validates, expands or writes the files of at a time.',
  }),
  MADAKV_BATCH_WINDOW: wholeNumber({
    min: 1,
    max: 10_000,
    default: 256,
    about: 'Lines of one batch that are in the queues at a time.',
  }),
  MADAKV_BATCH_MAX_LINE_BYTES: wholeNumber({
    min: 1_024,
    max: 200 * MEBIBYTE,
    default: 32 * MEBIBYTE,
    about: 'Longest line of an input file, in bytes; one line is held in memory at a time.',
  }),
  MADAKV_SWEEP_INTERVAL_MS: milliseconds({
    min: 1_000,
    default: 60_000,
    about: 'How often what has become old is looked for; each time in one of 256 parts of the file store.',
  }),
  MADAKV_DOCUMENT_CACHE_HOURS: wholeNumber({
    min: 48,
    max: 8_760,
    default: 168,
    about:
      'How long rasterised pages and fetched images are kept for requests about the same document, and the text of prompts, in hours.',
  }),
  MADAKV_TRACE_DAYS: wholeNumber({
    min: 1,
    max: 3_650,
    default: 30,
    about: 'How long trace documents are kept, in days.',
  }),
} as const;
