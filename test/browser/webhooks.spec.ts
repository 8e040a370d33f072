import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Webhook } from '@madakv/contracts';
import { toFile } from 'openai';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from '../e2e/service.process.js';
import { startSystem, type TestSystem } from '../e2e/system.fixture.js';
import { WebhookReceiver } from '../integration/webhook.receiver.js';
import { expectAccessible, launchBrowser, noBrowser, openPage, signIn, type OpenedPage } from './browser.fixture.js';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

describe.skipIf(noBrowser !== undefined)('webhooks on the page', () => {
  let receiver: WebhookReceiver;
  let system: TestSystem;
  let browser: Browser;
  let opened: OpenedPage;
  let page: Page;

  beforeAll(async () => {
    receiver = await WebhookReceiver.start();
    const environment = {
      MADAKV_WEBHOOK_HTTP: 'true',
      MADAKV_WEBHOOK_PORTS: JSON.stringify([receiver.port]),
      MADAKV_WEBHOOK_NETWORKS: JSON.stringify([`${WebhookReceiver.ADDRESS}/32`]),
    };
    [system, browser] = await Promise.all([
      startSystem({ checkpoint: join(ROOT, 'models/madakv-reader'), environment }),
      launchBrowser(),
    ]);
    opened = await openPage(browser, system.url);
    ({ page } = opened);
    await signIn(page, system.apiKeys.acme);
    await page.getByRole('link', { name: 'Webhooks' }).click();
  });
  afterAll(async () => {
    await browser.close();
    await system.stop();
    receiver.stop();
  });

  /** A batch that ends at once: the model of its line is not there. */
  async function batchThatEnds(): Promise<string> {
    const client = system.client('acme');
    const body = { model: 'nobody', messages: [{ role: 'user', content: 'Hello' }] };
    const line = JSON.stringify({ custom_id: 'a', method: 'POST', url: '/v1/chat/completions', body });
    const input = await client.files.create({ file: await toFile(Buffer.from(line), 'in.jsonl'), purpose: 'batch' });
    const batch = await client.batches.create({
      input_file_id: input.id,
      endpoint: '/v1/chat/completions',
      completion_window: '24h',
    });
    return batch.id;
  }

  it('says what to do where there is none, and refuses what is no address in its own words', async () => {
    await page.getByText('There is no webhook yet').waitFor();
    await page.getByLabel('URL').fill('ftp://example.com/hook');
    await page.getByRole('button', { name: 'Add', exact: true }).click();
    await page.getByRole('alert').getByText('expected an https: URL').waitFor();
    await expectAccessible(page, AXE, 'no webhook');
  });

  it('adds one, whose secret is shown once', async () => {
    await page.getByLabel('URL').fill(receiver.url);
    await page.getByLabel('Description').fill('the archive');
    await page.getByRole('checkbox', { name: 'batch.expired' }).uncheck();
    await page.getByRole('button', { name: 'Add', exact: true }).click();
    const secret = (await page.locator('.secret').textContent()) ?? '';
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    await page.getByRole('heading', { name: receiver.url }).waitFor();
    await page.getByText('Nothing was sent yet').waitFor();
    await page.getByRole('button', { name: 'I have it' }).click();
    await expect.poll(() => page.content()).not.toContain(secret);
    await page.reload();
    await page.getByRole('heading', { name: receiver.url }).waitFor();
    expect(await page.content()).not.toContain(secret);
    const listed = (await (await page.request.get('/v1/webhooks')).json()) as { data: Webhook[] };
    expect(listed.data).toMatchObject([
      {
        url: receiver.url,
        description: 'the archive',
        events: ['batch.completed', 'batch.failed', 'batch.cancelled'],
      },
    ]);
  });

  it('shows what was sent and what was answered, and sends it again', async () => {
    const batch = await batchThatEnds();
    await expect.poll(() => receiver.calls.length, { timeout: 60_000 }).toBe(1);
    // While nothing is under way the page looks seldom.
    await page.reload();
    const row = page.getByRole('row', { name: new RegExp(batch) });
    await row.getByText('delivered').waitFor();
    await row.getByText(/^200 after /).waitFor();
    await expectAccessible(page, AXE, 'deliveries');
    expect(receiver.calls).toHaveLength(1);
    receiver.status = 500;
    await row.getByRole('button', { name: /^Repeat/ }).click();
    await row.getByText('pending').waitFor();
    await row.getByText(/^500 after /).waitFor();
    // It is repeated by itself after some seconds, and then not for minutes.
    await expect.poll(() => receiver.calls.length).toBe(3);
    receiver.status = 200;
    await row.getByRole('button', { name: /^Try now/ }).click();
    await row.getByText('delivered').waitFor();
    expect(receiver.calls.map(({ body }) => (JSON.parse(body) as { data: { id: string } }).data.id)).toEqual([
      batch,
      batch,
      batch,
      batch,
    ]);
  });

  it('makes a new secret, disables, enables, and removes', async () => {
    let rotations = 0;
    page.on('request', (request) => {
      if (request.method() === 'POST' && request.url().endsWith('/rotate')) rotations++;
    });
    await page.getByRole('button', { name: 'New secret' }).click();
    await page.getByRole('button', { name: 'Leave it' }).click();
    await page.getByRole('button', { name: 'New secret' }).click();
    await page.getByRole('button', { name: 'Make a new secret' }).click();
    await page.getByText('The secret before signs beside the new one').waitFor();
    expect(rotations).toBe(1);
    const secrets = () => page.locator('.secret').allTextContents();
    const first = await page.locator('.secret').textContent();
    expect(first).toMatch(/^whsec_/);
    // Another one's secret takes no place of it, and goes with its webhook.
    const other = `${receiver.url}/other`;
    await page.getByLabel('URL').fill(other);
    await page.getByRole('button', { name: 'Add', exact: true }).click();
    const card = page.getByRole('region', { name: other, exact: true });
    await card.waitFor();
    await expect.poll(secrets).toEqual([first, expect.stringMatching(/^whsec_/)]);
    await card.getByRole('button', { name: 'Remove' }).click();
    await card.getByRole('button', { name: 'Remove it' }).click();
    await card.waitFor({ state: 'detached' });
    await expect.poll(secrets).toEqual([first]);
    await page.getByRole('button', { name: 'Disable' }).click();
    await page.getByText('its owner disabled it').waitFor();
    await expect.poll(() => page.getByRole('button', { name: /^Repeat/ }).isDisabled()).toBe(true);
    await page.getByRole('button', { name: 'Enable' }).click();
    await page.getByText('enabled', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Remove' }).click();
    await page.getByRole('button', { name: 'Remove it' }).click();
    await page.getByText('There is no webhook yet').waitFor();
  });

  it('breaks no rule of its policy', () => {
    expect(opened.complaints).toEqual([]);
  });
});
