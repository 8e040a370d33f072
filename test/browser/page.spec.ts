import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import { TraceDocumentSchema, type AnsweredTrace, type LayerTraceDocument } from '@madakv/contracts';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from '../e2e/service.process.js';
import { DEMO, startSystem, type Tenant, type TestSystem } from '../e2e/system.fixture.js';
import {
  expectAccessible,
  launchBrowser,
  noBrowser,
  openPage,
  pixelsOf,
  signIn,
  type OpenedPage,
  type PageOptions,
} from './browser.fixture.js';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const INVOICE = join(DEMO, 'invoice.pdf');
/** Of one page load, compressed. */
const FIRST_LOAD_BYTES = 250 * 1024;

if (noBrowser !== undefined) console.warn(`the page is not tested: ${noBrowser}`);

describe.skipIf(noBrowser !== undefined)('the page', () => {
  let system: TestSystem;
  let browser: Browser;
  const opened: OpenedPage[] = [];

  beforeAll(async () => {
    [system, browser] = await Promise.all([
      startSystem({ checkpoint: join(ROOT, 'models/madakv-reader'), operators: ['acme'] }),
      launchBrowser(),
    ]);
  });
  afterAll(async () => {
    await browser.close();
    await system.stop();
  });

  async function visit(tenant: Tenant, options: PageOptions = {}): Promise<OpenedPage> {
    const one = await openPage(browser, system.url, options);
    opened.push(one);
    await signIn(one.page, system.apiKeys[tenant]);
    return one;
  }

  async function traceOf(id: string, tenant: Tenant = 'acme'): Promise<AnsweredTrace> {
    const headers = { authorization: `Bearer ${system.apiKeys[tenant]}` };
    const trace = TraceDocumentSchema.parse(
      await (await fetch(`${system.url}/v1/requests/${id}/trace`, { headers })).json(),
    );
    if (trace.error !== null) throw new Error(trace.error.message);
    return trace;
  }

  /** Asks about the invoice at two ratios. @returns both requests */
  async function askTwice({ page }: OpenedPage): Promise<[string, string]> {
    await page.getByRole('link', { name: 'Try it' }).first().click();
    await page.setInputFiles('#document', INVOICE);
    await page.getByRole('textbox', { name: 'Question' }).fill('What is the total amount?');
    await page.getByLabel('the same question at another ratio').check();
    await page.getByRole('button', { name: 'Ask' }).click();
    await page.getByRole('link', { name: 'Compare what they kept' }).waitFor();
    const address = await page.getByRole('link', { name: 'Compare what they kept' }).getAttribute('href');
    const query = new URL(address ?? '', system.url).searchParams;
    return [query.get('a') ?? '', query.get('b') ?? ''];
  }

  it('comes with a strict policy, is small, and is cached by what is in it', async () => {
    const headers = { accept: 'text/html,*/*;q=0.8', 'accept-encoding': 'br' };
    const index = await fetch(`${system.url}/`, { headers });
    const policy = index.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'none'; script-src 'self'; style-src 'self'");
    expect(policy).not.toMatch(/unsafe|https?:|data:/);
    expect(policy).toContain("frame-ancestors 'none'");
    expect(Object.fromEntries(index.headers)).toMatchObject({
      'cache-control': 'no-cache',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
    });
    const html = await index.text();
    expect(html).not.toMatch(/<script(?![^>]*\bsrc=)|<style|style=|https?:\/\//);
    let bytes = html.length;
    for (const [, path] of html.matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)) {
      const asset = await fetch(`${system.url}${path}`, { headers });
      expect(asset.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
      expect(asset.headers.get('content-encoding')).toBe('br');
      bytes += Number(asset.headers.get('content-length'));
      const built = readFileSync(join(ROOT, 'apps/dashboard/dist', path));
      expect(brotliDecompressSync(readFileSync(join(ROOT, 'apps/dashboard/dist', `${path}.br`)))).toEqual(built);
    }
    expect(bytes).toBeLessThan(FIRST_LOAD_BYTES);
    expect(bytes).toBeGreaterThan(10_000);
    const again = { ...headers, 'if-none-match': index.headers.get('etag') ?? '' };
    expect((await fetch(`${system.url}/batches/batch_1`, { headers: again })).status).toBe(304);
    // Who calls the API with a wrong address is told so, and gets no page.
    expect((await fetch(`${system.url}/batches`)).headers.get('content-type')).toContain('json');
    expect((await fetch(`${system.url}/assets/../index.html`, { headers: { accept: '*/*' } })).status).toBe(404);
  });

  it('asks for a key, tells of a wrong one, and lets nobody stay who signed out', async () => {
    const one = await openPage(browser, system.url);
    opened.push(one);
    const { page } = one;
    await page.goto('/batches');
    await page.getByLabel('API key').fill('mk-nobody-0123456789abcdef');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').getByText('Incorrect API key').waitFor();
    await expectAccessible(page, AXE, 'sign-in');
    await page.getByLabel('API key').fill(system.apiKeys.acme);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Batches' }).waitFor();
    expect(await page.evaluate('document.cookie')).toBe('');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('API key').waitFor();
    expect((await page.request.get('/v1/batches')).status()).toBe(401);
  });

  it('asks for a key again once the session is over, wherever it is', async () => {
    const one = await openPage(browser, system.url);
    opened.push(one);
    const { page } = one;
    for (const [path, heading] of [
      ['/batches', 'Batches'],
      ['/', 'Overview'],
    ]) {
      await page.goto(path);
      await page.getByLabel('API key').fill(system.apiKeys.acme);
      await page.keyboard.press('Enter');
      await page.getByRole('heading', { name: heading, exact: true }).waitFor();
      await page.context().clearCookies();
      // What is shown is asked for again: rows every few seconds, a stream when it ends.
      await page.getByLabel('API key').waitFor({ timeout: 120_000 });
    }
  });

  it('opens by a link that signs in once', async () => {
    const headers = { authorization: `Bearer ${system.apiKeys.globex}` };
    const made = await fetch(`${system.url}/v1/session/links`, { method: 'POST', headers });
    const { path } = (await made.json()) as { path: string };
    const first = await openPage(browser, system.url);
    opened.push(first);
    await first.page.goto(path);
    await first.page.getByText('globex').waitFor();
    expect(first.page.url()).toBe(`${system.url}/`);
    const second = await openPage(browser, system.url);
    opened.push(second);
    await second.page.goto(path);
    await second.page.getByRole('alert').getByText('has been used').waitFor();
  });

  it('asks about a document, streams the answers, and shows what was kept over the page', async () => {
    const one = await visit('acme');
    const { page } = one;
    const [reduced, full] = await askTwice(one);
    await expect.poll(() => page.locator('.answer blockquote').allInnerTexts()).toEqual(['£1,246.32', '£1,246.32']);
    await page.locator('.answer canvas[data-image="0"]').nth(1).waitFor();
    await expectAccessible(page, AXE, 'try it');

    await page.goto(`/requests/${reduced}`);
    await page.getByRole('combobox', { name: /^Layer/ }).selectOption('3');
    await page.getByRole('combobox', { name: /^Head/ }).selectOption('1');
    const trace = await traceOf(reduced);
    const { rows, columns, cells } = expectedCells(trace, 3, 1);
    await expect
      .poll(async () => (await page.getByRole('img', { name: /^Page 1: / }).getAttribute('aria-label')) ?? '')
      .toContain(`${cells.filter(Boolean).length.toLocaleString('en-US')} of`);
    // Drawn once the label is there.
    const wrong = async () => {
      const { width, height, data } = await pixelsOf(page, 'canvas[data-image="0"]');
      const scale = width / columns;
      if (width % columns > 0 || height % rows > 0) return [`${width} by ${height} pixels`];
      return cells.flatMap((kept, i) => {
        const [x, y] = [(i % columns) * scale + 1, Math.floor(i / columns) * scale + 1];
        const [red, green, blue, alpha] = data.slice(4 * (y * width + x), 4 * (y * width + x) + 4);
        // Strong orange where it was kept, a dark veil where not; a canvas rounds by its alpha.
        const right = kept ? red > 240 && green < 110 && blue < 40 : red < 30 && green < 40 && blue < 60;
        return right && alpha > 120 ? [] : [`cell ${i}: ${red} ${green} ${blue} ${alpha}`];
      });
    };
    await expect.poll(wrong).toEqual([]);
    expect(cells.filter(Boolean).length).toBeGreaterThan(50);
    const [sheet, overlay] = await Promise.all([
      page.locator('.sheet img').first().boundingBox(),
      page.locator('canvas[data-image="0"]').first().boundingBox(),
    ]);
    expect(overlay).toEqual(sheet);
    await expect
      .poll(() => page.evaluate("document.querySelector('.sheet img').naturalWidth"))
      .toBe(trace.images[0].width);

    // The question in its words, each token shaded as that head kept it or not.
    const words = page.getByRole('region', { name: 'The prompt as it was read' });
    await expect
      .poll(async () => (await words.innerText()).replaceAll('·', ' '))
      .toContain('What is the total amount?');
    const wordBits = Buffer.from(trace.cache.layers[3].positions[1], 'base64');
    const shades = await page.evaluate<[number, string][]>(
      `[...document.querySelectorAll('.words span')].map(({ title, className }) => [+/token (\\d+)/.exec(title)[1], className.replace('special ', '')])`,
    );
    expect(shades.length).toBeGreaterThan(30);
    expect(new Set(shades.map(([, shade]) => shade))).toEqual(new Set(['k0', 'k8']));
    expect(
      shades.filter(([token, shade]) => (((wordBits[token >> 3] >> (token & 7)) & 1) === 1) !== (shade === 'k8')),
    ).toEqual([]);
    await words.getByRole('link', { name: /^page 1, / }).click();
    await expect.poll(() => page.evaluate('document.activeElement.id')).toBe(`${reduced}-image-0`);
    await page.getByRole('tab', { name: 'Layers and heads' }).click();
    await page.getByRole('img', { name: /^Attention on kept rows: 6 layers, 4 heads/ }).waitFor();
    await page.getByRole('tab', { name: 'Times' }).click();
    await page.getByRole('row', { name: /^generate / }).waitFor();

    await page.goto(`/compare?a=${reduced}&b=${full}`);
    await page.getByText('The answers are the same').waitFor();
    const { rows: inCommon } = await comparisonOf(reduced, full);
    await page.getByText(`only the first kept 0, only the other ${inCommon.only_b.toLocaleString('en-US')}`).waitFor();
    await page.locator('canvas[data-image="0"]').nth(1).waitFor();
    await expectAccessible(page, AXE, 'compare');
  });

  async function comparisonOf(a: string, b: string): Promise<{ rows: { only_b: number } }> {
    const headers = { authorization: `Bearer ${system.apiKeys.acme}` };
    const response = await fetch(`${system.url}/v1/requests/compare?a=${a}&b=${b}`, { headers });
    return (await response.json()) as { rows: { only_b: number } };
  }

  it('extracts the object of a schema', async () => {
    const { page } = await visit('globex');
    await page.getByRole('link', { name: 'Try it' }).first().click();
    await page.setInputFiles('#document', INVOICE);
    await page.getByRole('button', { name: 'An object of a schema' }).click();
    await page.getByRole('button', { name: 'Extract' }).click();
    await page.getByRole('row', { name: /total_amount 1246.32/ }).waitFor();
    await page.getByRole('link', { name: 'due_date' }).click();
    await page.getByRole('heading', { name: /chatcmpl-/ }).waitFor();
    await page.getByRole('img', { name: /^Page 1: / }).waitFor();
  });

  it('shows a tenant nothing of another one', async () => {
    const mine = await visit('acme');
    const [id] = await askTwice(mine);
    const { page } = await visit('globex');
    await page.goto(`/requests/${id}`);
    await page.getByRole('alert').getByText('There is no trace').waitFor();
    expect((await page.request.get(`/v1/requests/${id}/images/0`)).status()).toBe(404);
    await page.goto('/requests');
    await page.getByRole('heading', { name: 'Requests' }).waitFor();
    expect(await page.content()).not.toContain(id);
    await page.goto('/');
    await page.getByText('live', { exact: true }).waitFor();
    expect(await page.getByRole('heading', { name: 'Workers' }).count()).toBe(0);
    await mine.page.goto('/');
    await mine.page.getByText('worker-1').first().waitFor();
  });

  it.each([
    ['light', 1280],
    ['dark', 1280],
    ['light', 390],
    ['dark', 390],
  ] as const)('can be read and used by all, %s and %i pixels wide', async (colorScheme, width) => {
    const { page } = await visit('acme', { colorScheme, width });
    await page.goto('/requests');
    await page.locator('tbody a').first().click();
    await page.getByRole('heading', { name: /chatcmpl-|batch_/ }).waitFor();
    for (const tab of ['What was kept', 'Layers and heads', 'Times', 'Memory', 'JSON']) {
      await page.getByRole('tab', { name: tab }).click();
      await expectAccessible(page, AXE, `${tab}, ${colorScheme} ${width}`);
    }
    for (const path of ['/', '/batches', '/requests', '/try', '/compare', '/models', '/webhooks']) {
      await page.goto(path);
      await page.getByRole('heading', { level: 1 }).waitFor();
      if (path === '/') await page.getByText('live', { exact: true }).waitFor();
      if (path === '/models') await page.getByRole('table').waitFor();
      await expectAccessible(page, AXE, `${path}, ${colorScheme} ${width}`);
      // Nothing is wider than the screen but what scrolls by itself.
      expect([path, await page.evaluate('document.documentElement.scrollWidth')]).toEqual([path, width]);
    }
  });

  it('is used with the keyboard alone', async () => {
    const { page } = await visit('acme');
    await page.keyboard.press('Tab');
    await expect.poll(() => page.evaluate('document.activeElement.textContent')).toBe('Skip to the content');
    await page.goto('/requests');
    await page.locator('tbody a').first().focus();
    await page.keyboard.press('Enter');
    await page.getByRole('tab', { name: 'What was kept' }).focus();
    await page.keyboard.press('ArrowRight');
    await page.getByRole('tabpanel', { name: 'Layers and heads' }).waitFor();
  });

  it('breaks no rule of its policy, and asks for nothing elsewhere', () => {
    expect(opened.length).toBeGreaterThan(5);
    expect(opened.flatMap(({ complaints }) => complaints)).toEqual([]);
  });
});

/** What a head of a layer kept of the first image, read from the trace without the help of the product. */
function expectedCells(trace: AnsweredTrace, layer: number, head: number) {
  const { start, rows, columns } = trace.images[0].place ?? { start: 0, rows: 0, columns: 0 };
  const found: LayerTraceDocument | undefined = trace.cache.layers.find((one) => one.layer === layer);
  const bits = Buffer.from(found?.positions[head] ?? '', 'base64');
  const cells = Array.from({ length: rows * columns }, (_, i) => {
    const token = start + i;
    return (((bits[Math.floor(token / 8)] ?? 0) >> (token % 8)) & 1) === 1;
  });
  return { rows, columns, cells };
}
