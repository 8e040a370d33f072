import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startSystem, type TestSystem } from '../e2e/system.fixture.js';
import { expectAccessible, launchBrowser, noBrowser, openPage, signIn, type OpenedPage } from './browser.fixture.js';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

describe.skipIf(noBrowser !== undefined)('signing in', () => {
  let system: TestSystem;
  let browser: Browser;
  let opened: OpenedPage[] = [];

  beforeAll(async () => {
    [system, browser] = await Promise.all([startSystem(), launchBrowser()]);
  });
  afterEach(async () => {
    const complaints = opened.flatMap((each) => each.complaints);
    await Promise.all(opened.map(({ context }) => context.close()));
    opened = [];
    expect(complaints).toEqual([]);
  });
  afterAll(async () => {
    await browser.close();
    await system.stop();
  });

  async function visit(): Promise<Page> {
    const one = await openPage(browser, system.url);
    opened.push(one);
    return one.page;
  }

  /** Path of the page with a link of this tenant's. */
  async function linkOf(tenant: 'acme' | 'globex'): Promise<string> {
    const headers = { authorization: `Bearer ${system.apiKeys[tenant]}` };
    const made = await fetch(`${system.url}/v1/session/links`, { method: 'POST', headers });
    return ((await made.json()) as { path: string }).path;
  }

  /** As somebody does who pastes an address into a tab that shows the page: nothing is loaded anew. */
  async function paste(page: Page, path: string): Promise<void> {
    await page.evaluate(`location.hash = ${JSON.stringify(path.slice(path.indexOf('#')))}`);
  }

  it('takes a link that is pasted where the page asks for a key', async () => {
    const page = await visit();
    await page.goto('/');
    await page.getByLabel('API key').waitFor();
    await paste(page, '/#link=nothing');
    await page.getByRole('alert').waitFor();
    await paste(page, await linkOf('globex'));
    await page.getByText('globex').waitFor();
    expect(page.url()).toBe(`${system.url}/`);
  });

  it('asks before a link makes somebody else of who is signed in', async () => {
    const page = await visit();
    await signIn(page, system.apiKeys.acme);
    const link = await linkOf('globex');
    await paste(page, link);
    await page.getByText('You are signed in as acme').waitFor();
    await expectAccessible(page, AXE, 'another session');
    await page.getByRole('button', { name: 'Stay acme' }).click();
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
    expect(page.url()).toBe(`${system.url}/`);
    // It was not used up.
    await page.goto(link);
    await page.reload();
    await page.getByRole('button', { name: 'Sign in with the link' }).click();
    await page.getByTitle('Whose key it is').getByText('globex').waitFor();
    await paste(page, link);
    await page.getByRole('button', { name: 'Sign in with the link' }).click();
    await page.getByRole('alert').waitFor();
    await page.getByRole('button', { name: 'Stay globex' }).click();
    await page.getByTitle('Whose key it is').getByText('globex').waitFor();
  });

  it('says that the server does not answer, and goes on once it does', async () => {
    const page = await visit();
    await signIn(page, system.apiKeys.acme);
    let away = true;
    await page.route('**/v1/session', async (route) => {
      if (!away) return route.continue();
      const error = { message: 'Redis does not answer', code: 'storage_unavailable', param: null };
      return route.fulfill({ status: 503, json: { error } });
    });
    await page.reload();
    await page.getByRole('alert').getByText('Redis does not answer').waitFor();
    expect(await page.getByLabel('API key').count()).toBe(0);
    opened[0].complaints.splice(0);
    away = false;
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
  });
});
