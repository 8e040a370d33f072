import { readFileSync } from 'node:fs';
import { parseEnvironment, settingsTable } from '@madakv/contracts';
import { DEFAULT_DOCUMENT_LIMITS, DEFAULT_FETCH_POLICY, DEFAULT_IMAGE_LIMITS } from '@madakv/documents';
import { describe, expect, it } from 'vitest';
import { prepareOptions, PrepareSettingsSchema } from './prepare.settings.js';

const read = (environment: Record<string, string>) =>
  prepareOptions(parseEnvironment(PrepareSettingsSchema, environment));

describe('prepareOptions', () => {
  it('is as careful as the libraries by default', () => {
    const { dpi, document, image, fetch } = read({});
    expect(dpi).toBe(140);
    expect(document).toEqual(DEFAULT_DOCUMENT_LIMITS);
    expect(image).toEqual(DEFAULT_IMAGE_LIMITS);
    const { isAllowedAddress, ...policy } = fetch;
    expect(policy).toEqual({ ...DEFAULT_FETCH_POLICY, isAllowedAddress: undefined });
    expect(['8.8.8.8', '10.0.0.1', '127.0.0.1', '169.254.169.254', '::1'].map(isAllowedAddress)).toEqual([
      true,
      false,
      false,
      false,
      false,
    ]);
  });

  it('takes what the environment says', () => {
    const options = read({
      MADAKV_PAGE_DPI: '100',
      MADAKV_MAX_TEXT_BYTES: '13',
      MADAKV_MAX_DOCUMENTS: '1',
      MADAKV_MAX_IMAGES: '2',
      MADAKV_MAX_PAGES: '3',
      MADAKV_MAX_REQUEST_BYTES: '4',
      MADAKV_MAX_DOCUMENT_BYTES: '5',
      MADAKV_MAX_IMAGE_BYTES: '6',
      MADAKV_MAX_IMAGE_PIXELS: '7',
      MADAKV_FETCH_HTTP: 'true',
      MADAKV_FETCH_PORTS: '[80,443]',
      MADAKV_FETCH_NETWORKS: '["10.0.0.0/8"]',
      MADAKV_FETCH_TIMEOUT_MS: '800',
      MADAKV_RASTER_PROCESSES: '9',
      MADAKV_RASTER_MEMORY_BYTES: '1000000000',
      MADAKV_PAGE_TIMEOUT_MS: '1100',
      MADAKV_DOCUMENT_TIMEOUT_MS: '1200',
    });
    expect(options).toMatchObject({
      dpi: 100,
      rasterProcesses: 9,
      request: { maxTextBytes: 13, maxDocuments: 1, maxImages: 2, maxPages: 3, maxBytes: 4 },
      document: {
        maxDocumentBytes: 5,
        maxPages: 3,
        rasterMemoryBytes: 1_000_000_000,
        pageTimeoutMs: 1100,
        documentTimeoutMs: 1200,
      },
      image: { maxImageBytes: 6, maxImagePixels: 7 },
      fetch: { allowHttp: true, allowedPorts: [80, 443], maxBytes: 5, totalTimeoutMs: 800 },
    });
    expect(options.fetch.isAllowedAddress('10.1.2.3')).toBe(true);
  });

  it.each([
    ['MADAKV_FETCH_NETWORKS', '["10.0.0.1"]', 'a JSON list of networks in CIDR notation'],
    ['MADAKV_FETCH_PORTS', '443', 'a JSON list of ports'],
    ['MADAKV_FETCH_HTTP', 'yes', 'true or false'],
  ])('refuses %s=%s', (name, value, expected) => {
    expect(() => read({ [name]: value })).toThrow(`${name}: expected ${expected}`);
  });
});

it('docs/documents.md has the settings', () => {
  const page = readFileSync(new URL('../../../../docs/documents.md', import.meta.url), 'utf8');
  const [, table = ''] = /<!-- settings -->\n([^]*?)<!-- \/settings -->/.exec(page) ?? [];
  // The formatter pads columns.
  const plain = (text: string): string => text.trim().replaceAll(/ +/g, ' ').replaceAll(/-+/g, '-');
  expect(plain(table)).toBe(plain(settingsTable(PrepareSettingsSchema)));
});
