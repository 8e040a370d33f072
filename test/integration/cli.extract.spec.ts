import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { INVOICE_VALUES, wrongValues } from '../sample.invoices.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const DEMO = join(ROOT, 'examples', 'demo');
/** The reader is built, and a system started and ended. */
const TEST_MS = 240_000;

let work: string;

beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), 'madakv-extract-'));
  mkdirSync(join(work, 'invoices', 'scans'), { recursive: true });
  copyFileSync(join(DEMO, 'invoice.pdf'), join(work, 'invoices', 'invoice.pdf'));
  copyFileSync(join(DEMO, 'invoice-scan.pdf'), join(work, 'invoices', 'scans', 'scan.pdf'));
  writeFileSync(join(work, 'invoices', 'damaged.pdf'), '%PDF-1.7\nnothing more');
});
afterAll(() => {
  rmSync(work, { recursive: true, force: true });
});

async function madakv(...args: string[]): Promise<{ code: number; stderr: string }> {
  const env = { ...process.env, MADAKV_CACHE: join(work, 'cache'), MADAKV_THREADS: '1', MADAKV_REDIS_URL: '' };
  const child = spawn(process.execPath, [join(ROOT, 'apps', 'cli', 'bin', 'madakv.js'), ...args], { env, cwd: work });
  let stderr = '';
  child.stderr.on('data', (piece) => (stderr += String(piece)));
  child.stdout.resume();
  const [code] = (await once(child, 'close')) as [number];
  return { code, stderr };
}

const rowsOf = (name: string): Record<string, unknown>[] =>
  readFileSync(join(work, name), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe('madakv extract', { timeout: TEST_MS }, () => {
  it('makes a table of a folder of invoices, with the bundled reader', async () => {
    const { code, stderr } = await madakv(
      ...['extract', 'invoices', '--schema', join(DEMO, 'invoice.schema.json'), '-o', 'out.jsonl'],
      ...['--details', 'fields.jsonl', '--local', '--data', join(work, 'data')],
    );
    expect(stderr).toContain('2 of 3 answered in ');
    expect(stderr).toContain('1 of 3 documents failed; out.jsonl says why');
    expect(code).toBe(1);
    const [damaged, invoice, scan] = rowsOf('out.jsonl');
    expect(damaged).toMatchObject({ file: 'damaged.pdf', values: null, problems: [] });
    expect(damaged['error']).not.toBe('');
    for (const [row, file, least] of [
      [invoice, 'invoice.pdf', 8],
      [scan, 'scans/scan.pdf', 9],
    ] as const) {
      expect(row).toMatchObject({ file, error: '' });
      const wrong = wrongValues(row['values']);
      expect(INVOICE_VALUES - wrong.length, `${file}, wrong:\n${wrong.join('\n')}`).toBeGreaterThanOrEqual(least);
      expect(row['cache_kept']).toBeLessThan(0.25);
    }
    const fields = rowsOf('fields.jsonl');
    expect(fields).toHaveLength(2 * INVOICE_VALUES);
    for (const { bytes } of fields) {
      const { full, kept } = bytes as { readonly full: number; readonly kept: number };
      expect(kept).toBeGreaterThan(0);
      expect(kept).toBeLessThan(full);
    }
  });
});
