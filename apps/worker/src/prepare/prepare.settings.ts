import { json, milliseconds, wholeNumber } from '@madakv/contracts';
import {
  addressRules,
  DEFAULT_DOCUMENT_LIMITS,
  DEFAULT_FETCH_POLICY,
  DEFAULT_IMAGE_LIMITS,
  isNetwork,
  type DocumentLimits,
  type FetchPolicy,
  type ImageLimits,
} from '@madakv/documents';
import { z } from 'zod';

const GIB = 1024 ** 3;

/** How documents are taken in; spread into the schema of a process that prepares requests. */
export const PREPARE_SETTINGS = {
  MADAKV_PAGE_DPI: wholeNumber({
    min: 36,
    max: 600,
    default: 140,
    about: 'Resolution of pages, in dots per inch; large pages come out at a lower one.',
  }),
  MADAKV_MAX_TEXT_BYTES: wholeNumber({
    min: 1,
    max: 1024 ** 3,
    default: 1024 ** 2,
    about: "Text of one request's messages, in bytes; a tokenizer takes some seconds for a million.",
  }),
  MADAKV_MAX_DOCUMENTS: wholeNumber({ min: 1, max: 10_000, default: 32, about: 'Files in one request.' }),
  MADAKV_MAX_IMAGES: wholeNumber({
    min: 1,
    max: 10_000,
    default: 64,
    about: 'Images in one request, PDF pages aside.',
  }),
  MADAKV_MAX_PAGES: wholeNumber({ min: 1, max: 100_000, default: 200, about: 'PDF pages in one request.' }),
  MADAKV_MAX_REQUEST_BYTES: wholeNumber({
    min: 1,
    max: 16 * GIB,
    default: 256 * 1024 ** 2,
    about: 'Content of all documents and images of one request, in bytes.',
  }),
  MADAKV_MAX_DOCUMENT_BYTES: wholeNumber({
    min: 1,
    max: 4 * GIB,
    default: DEFAULT_DOCUMENT_LIMITS.maxDocumentBytes,
    about: 'One PDF, in bytes.',
  }),
  MADAKV_MAX_IMAGE_BYTES: wholeNumber({
    min: 1,
    max: 4 * GIB,
    default: DEFAULT_IMAGE_LIMITS.maxImageBytes,
    about: 'One encoded image, in bytes.',
  }),
  MADAKV_MAX_IMAGE_PIXELS: wholeNumber({
    min: 1,
    max: 1_000_000_000,
    default: DEFAULT_IMAGE_LIMITS.maxImagePixels,
    about: 'One image, width times height.',
  }),
  MADAKV_FETCH_HTTP: json({
    schema: z.boolean(),
    default: DEFAULT_FETCH_POLICY.allowHttp,
    expected: 'true or false',
    about: 'Whether http: URLs are fetched beside https: ones; port 80 has to be among the allowed ports.',
  }),
  MADAKV_FETCH_PORTS: json({
    schema: z.array(z.int().min(1).max(65_535)).min(1),
    default: [...DEFAULT_FETCH_POLICY.allowedPorts],
    expected: 'a JSON list of ports',
    about: 'Ports of URLs that are fetched.',
  }),
  MADAKV_FETCH_NETWORKS: json({
    schema: z.array(z.string().refine(isNetwork)),
    default: [] as string[],
    expected: 'a JSON list of networks in CIDR notation',
    about: 'Networks that URLs may lead to beside the public internet, such as ["10.0.0.0/8"].',
  }),
  MADAKV_FETCH_TIMEOUT_MS: milliseconds({
    min: 10,
    default: DEFAULT_FETCH_POLICY.totalTimeoutMs,
    about: 'Time to fetch one URL, redirects included.',
  }),
  MADAKV_RASTER_PROCESSES: wholeNumber({ min: 1, max: 64, default: 1, about: 'Processes that draw pages of PDFs.' }),
  MADAKV_RASTER_MEMORY_BYTES: wholeNumber({
    min: 128 * 1024 ** 2,
    max: 64 * GIB,
    default: DEFAULT_DOCUMENT_LIMITS.rasterMemoryBytes,
    about: 'Memory of one such process, in bytes.',
  }),
  MADAKV_PAGE_TIMEOUT_MS: milliseconds({
    min: 10,
    default: DEFAULT_DOCUMENT_LIMITS.pageTimeoutMs,
    about: 'Time to open a PDF or to draw one page.',
  }),
  MADAKV_DOCUMENT_TIMEOUT_MS: milliseconds({
    min: 10,
    default: DEFAULT_DOCUMENT_LIMITS.documentTimeoutMs,
    about: 'Time to draw one PDF.',
  }),
  MADAKV_KEEP_PROMPT_TEXT: json({
    schema: z.boolean(),
    default: true,
    expected: 'true or false',
    about:
      'Whether the text of prompts is kept beside the pictures of pages and for as long, so that its tenant can see which words were kept.',
  }),
} as const;

export const PrepareSettingsSchema = z.object(PREPARE_SETTINGS);
export type PrepareSettings = z.output<typeof PrepareSettingsSchema>;

/** What one request may hold. */
export interface RequestLimits {
  readonly maxTextBytes: number;
  readonly maxDocuments: number;
  readonly maxImages: number;
  readonly maxPages: number;
  readonly maxBytes: number;
}

export interface PrepareOptions {
  readonly dpi: number;
  readonly rasterProcesses: number;
  readonly request: RequestLimits;
  readonly document: DocumentLimits;
  readonly image: ImageLimits;
  readonly fetch: FetchPolicy;
  /** Whether the text of prompts is kept. */
  readonly keepsText: boolean;
}

export function prepareOptions(settings: PrepareSettings): PrepareOptions {
  return {
    dpi: settings.MADAKV_PAGE_DPI,
    rasterProcesses: settings.MADAKV_RASTER_PROCESSES,
    request: {
      maxTextBytes: settings.MADAKV_MAX_TEXT_BYTES,
      maxDocuments: settings.MADAKV_MAX_DOCUMENTS,
      maxImages: settings.MADAKV_MAX_IMAGES,
      maxPages: settings.MADAKV_MAX_PAGES,
      maxBytes: settings.MADAKV_MAX_REQUEST_BYTES,
    },
    document: {
      ...DEFAULT_DOCUMENT_LIMITS,
      maxDocumentBytes: settings.MADAKV_MAX_DOCUMENT_BYTES,
      maxPages: settings.MADAKV_MAX_PAGES,
      pageTimeoutMs: settings.MADAKV_PAGE_TIMEOUT_MS,
      documentTimeoutMs: settings.MADAKV_DOCUMENT_TIMEOUT_MS,
      rasterMemoryBytes: settings.MADAKV_RASTER_MEMORY_BYTES,
    },
    image: {
      ...DEFAULT_IMAGE_LIMITS,
      maxImageBytes: settings.MADAKV_MAX_IMAGE_BYTES,
      maxImagePixels: settings.MADAKV_MAX_IMAGE_PIXELS,
    },
    fetch: {
      ...DEFAULT_FETCH_POLICY,
      allowHttp: settings.MADAKV_FETCH_HTTP,
      allowedPorts: settings.MADAKV_FETCH_PORTS,
      maxBytes: settings.MADAKV_MAX_DOCUMENT_BYTES,
      totalTimeoutMs: settings.MADAKV_FETCH_TIMEOUT_MS,
      isAllowedAddress: addressRules(settings.MADAKV_FETCH_NETWORKS),
    },
    keepsText: settings.MADAKV_KEEP_PROMPT_TEXT,
  };
}
