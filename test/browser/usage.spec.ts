import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { newApiKey } from '@madakv/contracts';
import { dateOf, dayOf } from '@madakv/records';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { awayFromMidnight, MODEL, TestGateway } from '../integration/gateway.fixture.js';
import { settlementOf } from '../integration/settlement.fixture.js';
import {
  expectAccessible,
  launchBrowser,
  noBrowser,
  openPage,
  signIn,
  type OpenedPage,
  type PageOptions,
} from './browser.fixture.js';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const DAY_MS = 86_400_000;
const [acme, globex] = [newApiKey('acme', 'acme', { operator: true }), newApiKey('globex')];

describe.skipIf(noBrowser !== undefined)('usage on the page', () => {
  let today: number;
  let gateway: TestGateway;
  let browser: Browser;
  const opened: OpenedPage[] = [];

  beforeAll(async () => {
    await awayFromMidnight(3 * 60_000);
    today = dayOf(Date.now());
    gateway = await TestGateway.start({
      MADAKV_API_KEYS: JSON.stringify([acme.record, globex.record]),
      MADAKV_GATEWAY_TENANT_LIMITS: '{"acme": {"tokensPerDay": 50000, "queuedTokens": 4000}}',
    });
    browser = await launchBrowser();
    for (let day = 0; day < 20; day++) await use('acme', day, 9_000 - 400 * day, day % 3 === 0 ? 'larger' : MODEL);
    await use('initech', 1, 70_000, MODEL);
    const claim = { tenant: 'acme', id: 'chatcmpl-r', tokens: 1_000, acceptedAtMs: Date.now() };
    await gateway.records.quota.reserve(
      { ...claim, lapsesAtMs: Date.now() + DAY_MS },
      { tokensPerDay: null, queuedTokens: null },
    );
  });
  afterAll(async () => {
    await browser.close();
    await gateway.stop();
  });

  /** What a request came to that was accepted so many days ago. */
  async function use(tenant: string, daysAgo: number, promptTokens: number, model: string): Promise<void> {
    const ref = { requestId: `chatcmpl-${tenant}-${daysAgo}`, source: { kind: 'body', fileKey: 'f' } as const };
    const usage = {
      prompt_tokens: promptTokens,
      completion_tokens: 500,
      total_tokens: promptTokens + 500,
      prompt_tokens_details: { cached_tokens: promptTokens / 4 },
    };
    const outcome = { state: 'completed', key: 'k', usage } as const;
    const acceptedAtMs = Date.now() - daysAgo * DAY_MS;
    await gateway.records.outcomes.commit(ref, outcome, settlementOf(ref, outcome, { tenant, model, acceptedAtMs }));
  }

  async function visit(key: string, options: PageOptions = {}): Promise<Page> {
    const one = await openPage(browser, gateway.url, options);
    opened.push(one);
    await signIn(one.page, key);
    await one.page.getByRole('link', { name: 'Usage', exact: true }).click();
    await one.page.getByRole('heading', { name: 'Usage', level: 1 }).waitFor();
    return one.page;
  }

  it('says what to do where nothing was used, and shows no limits that there are not', async () => {
    const page = await visit(globex.key);
    await page.getByText('No request ended from').waitFor();
    await expect.poll(() => page.getByText('no limit', { exact: true }).count()).toBe(2);
    expect(await page.getByRole('button', { name: 'All tenants' }).count()).toBe(0);
    expect(await page.getByRole('link', { name: 'Download CSV' }).count()).toBe(0);
    await expectAccessible(page, AXE, 'usage, empty');
  });

  it('shows tokens by day, by model, and what may still be used', async () => {
    const page = await visit(acme.key);
    const limits = page.getByRole('region', { name: 'Limits' });
    await limits.getByText('9,500 used, 1,000 reserved').waitFor();
    await limits.getByText(/^39,500 of 50,000 left, until \d{4}-\d\d-\d\d 00:00:00 UTC$/).waitFor();
    await limits.getByText('3,000 of 4,000 left').waitFor();
    await page.getByRole('img', { name: new RegExp(`^Tokens by day.*at most 9,500, on ${dateOf(today)}$`) }).waitFor();
    const rows = page.locator('tbody tr');
    await expect.poll(() => rows.count()).toBe(20);
    expect((await rows.first().innerText()).split(/\s+/).slice(0, 7)).toEqual([
      dateOf(today),
      ...['1', '0', '9,000', '2,250', '500', '9,500'],
    ]);
    await page.getByRole('button', { name: '7 days' }).click();
    await expect.poll(() => rows.count()).toBe(7);
    await page.getByLabel('by model').check();
    await page.getByRole('columnheader', { name: 'Model' }).waitFor();
    await expect.poll(() => rows.first().innerText()).toContain('larger');
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Download CSV' }).click(),
    ]);
    expect(download.suggestedFilename()).toBe(`usage-${dateOf(today - 6)}-${dateOf(today)}.csv`);
    const lines = readFileSync(await download.path(), 'utf8')
      .trimEnd()
      .split('\r\n');
    expect(lines).toHaveLength(8);
    expect(lines[0]).toMatch(/^\uFEFFdate,model,requests,/);
  });

  it('shows an operator what all tenants used', async () => {
    const page = await visit(acme.key);
    await page.getByRole('button', { name: 'All tenants' }).click();
    await page.getByRole('columnheader', { name: 'Tenant' }).waitFor();
    await page.getByRole('cell', { name: 'initech' }).waitFor();
    expect(await page.getByRole('region', { name: 'Limits' }).count()).toBe(0);
  });

  it.each([
    ['light', 1280],
    ['dark', 1280],
    ['light', 390],
    ['dark', 390],
  ] as const)('can be read and used by all, %s and %i pixels wide', async (colorScheme, width) => {
    const page = await visit(acme.key, { colorScheme, width });
    await page.getByRole('table').waitFor();
    await expectAccessible(page, AXE, `usage, ${colorScheme} ${width}`);
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
    // Whoever comes by its address sees it, too.
    await page.reload();
    await page.getByRole('heading', { name: 'Usage', level: 1 }).waitFor();
  });

  it('breaks no rule of its policy, and asks for nothing elsewhere', () => {
    expect(opened.length).toBeGreaterThan(5);
    expect(opened.flatMap(({ complaints }) => complaints)).toEqual([]);
  });
});
