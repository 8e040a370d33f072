import { existsSync } from 'node:fs';
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core';
import { expect } from 'vitest';

/** Debian's browser, which scripts/system-packages.sh installs; CHROMIUM names another one. */
const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium';

/** Why there is no browser to test in; undefined where there is one. */
export const noBrowser: string | undefined = existsSync(CHROMIUM)
  ? undefined
  : `no Chromium at ${CHROMIUM}: scripts/system-packages.sh installs it`;

export interface OpenedPage {
  readonly page: Page;
  readonly context: BrowserContext;
  /** What it should not have said or done: violations of its policy, errors, requests to elsewhere. */
  readonly complaints: string[];
}

export async function launchBrowser(): Promise<Browser> {
  // Root may not use the sandbox; no page of anybody else is opened here.
  return chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-dev-shm-usage'] });
}

export interface PageOptions {
  readonly colorScheme?: 'light' | 'dark';
  readonly width?: number;
  readonly height?: number;
}

/** A new browser profile, whose complaints are collected. No address but the system's own can be reached. */
export async function openPage(
  browser: Browser,
  url: string,
  { colorScheme = 'light', width = 1280, height = 860 }: PageOptions = {},
): Promise<OpenedPage> {
  const context = await browser.newContext({
    baseURL: url,
    colorScheme,
    reducedMotion: 'reduce',
    viewport: { width, height },
  });
  context.setDefaultTimeout(60_000);
  const complaints: string[] = [];
  await context.route(
    (address) => address.origin !== url && address.protocol !== 'blob:',
    (route) => {
      complaints.push(`asked for ${route.request().url()}`);
      return route.abort();
    },
  );
  const page = await context.newPage();
  page.on('console', (message) => {
    // A refusal that the page shows is reported as an error as well.
    if (message.type() !== 'error' || /status of 4\d\d/.test(message.text())) return;
    complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(`error: ${error.message}`));
  await page.addInitScript(
    `document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => {
      console.error('policy: ' + violatedDirective + ' ' + blockedURI);
    });`,
  );
  return { page, context, complaints };
}

/** Signs in as its user does. */
export async function signIn(page: Page, key: string): Promise<void> {
  await page.goto('/');
  await page.getByLabel('API key').fill(key);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('heading', { name: 'Overview' }).waitFor();
}

/** Pixels of a canvas: red, green, blue, alpha, row by row. */
export async function pixelsOf(
  page: Page,
  selector: string,
): Promise<{ readonly width: number; readonly height: number; readonly data: number[] }> {
  // As text: what the browser knows, this program's types do not.
  return page.evaluate(`(() => {
    const canvas = document.querySelector(${JSON.stringify(selector)});
    const { width, height } = canvas;
    const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
    return { width, height, data: Array.from(data) };
  })()`);
}

interface Violation {
  readonly id: string;
  readonly impact?: string | null;
  readonly nodes: readonly { readonly html: string }[];
}

/** Looks at the page as axe does; nothing of it may be serious. @param axe source of axe-core */
export async function expectAccessible(page: Page, axe: string, what: string): Promise<void> {
  // The page's own policy allows no foreign script; a tool of the test may come past it.
  if (!(await page.evaluate(() => 'axe' in globalThis))) await page.evaluate(axe);
  const violations = await page.evaluate(async () => {
    const { axe: tool } = globalThis as unknown as { axe: { run: () => Promise<{ violations: Violation[] }> } };
    return (await tool.run()).violations;
  });
  const grave = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
  expect([
    what,
    grave.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 160)).join(' | ')}`),
  ]).toEqual([what, []]);
}
