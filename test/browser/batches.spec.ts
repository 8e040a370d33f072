import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import {
  batchResultId,
  lineRequestId,
  newId,
  storeKeys,
  type BatchObject,
  type BatchRecord,
  type BatchResult,
} from '@madakv/contracts';
import { Records } from '@madakv/records';
import { LocalFileStore } from '@madakv/storage';
import { Redis } from 'ioredis';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ask, submitBatch } from '../e2e/requests.js';
import { startSystem, type TestSystem } from '../e2e/system.fixture.js';
import { expectAccessible, launchBrowser, noBrowser, openPage, signIn, type OpenedPage } from './browser.fixture.js';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const LINES = 50_000;
/** Lines of the large batch that failed: from a worker's bad day, and of a locked document. */
const LOST = [7, 49_999];
const LOCKED = 12_345;

describe.skipIf(noBrowser !== undefined)('batches on the page', () => {
  let system: TestSystem;
  let browser: Browser;
  let opened: OpenedPage;
  let page: Page;
  let large: string;

  beforeAll(async () => {
    [system, browser] = await Promise.all([startSystem(), launchBrowser()]);
    large = await endedBatch(system);
    opened = await openPage(browser, system.url);
    ({ page } = opened);
    await signIn(page, system.apiKeys.acme);
  });
  afterAll(async () => {
    await browser.close();
    await system.stop();
  });

  /** Of the rows in sight. They come after the number of lines: the list has to be measured first. */
  function customIds(): Promise<string[]> {
    return page.locator('.rows .row .link').allInnerTexts();
  }

  it('says what to do where there is none', async () => {
    const other = await openPage(browser, system.url);
    await signIn(other.page, system.apiKeys.globex);
    await other.page.getByRole('link', { name: 'Batches' }).click();
    await other.page.getByText('There is no batch yet').waitFor();
    await other.page.goto(`/batches/${large}`);
    await other.page.getByRole('alert').getByText('No batch found').waitFor();
    expect(other.complaints).toEqual([]);
  });

  it('fifty thousand lines are looked through, searched and filtered, and only those in sight are there', async () => {
    await page.goto('/batches');
    await page.getByRole('link', { name: large }).click();
    await page.getByText('50,000 lines').waitFor();
    const rows = page.locator('.rows .row');
    await page.getByRole('button', { name: 'line-1', exact: true }).waitFor();
    expect(await rows.count()).toBeLessThan(120);
    for (const line of [25_000, 49_990, 12_340]) {
      await page.evaluate(`document.querySelector('.rows').scrollTop = ${(line - 1) * 34}`);
      await page.getByRole('button', { name: `line-${line}`, exact: true }).waitFor();
      expect(await rows.count()).toBeLessThan(120);
    }
    await page.evaluate(`document.querySelector('.rows').scrollTop = ${LINES * 34}`);
    await page.getByRole('button', { name: `line-${LINES}`, exact: true }).waitFor();
    await expectAccessible(page, AXE, 'lines');

    await page.getByRole('searchbox', { name: 'custom_id' }).fill('LINE-4321');
    await page.getByText('11 lines', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'line-43217' }).click();
    const panel = page.getByRole('complementary', { name: 'Line 43217' });
    await panel.getByText('answer 43217', { exact: true }).waitFor();
    await page.getByRole('searchbox', { name: 'custom_id' }).fill('');
    await page.getByRole('combobox', { name: /^Status/ }).selectOption('failed');
    await page.getByText('3 lines', { exact: true }).waitFor();
    await expect.poll(customIds).toEqual(['line-7', 'line-12345', 'line-49999']);
    await page.getByRole('combobox', { name: /^Status/ }).selectOption('');
  });

  it('failed lines are grouped by what failed, with what to do', async () => {
    await page.getByRole('tab', { name: 'Errors (3)' }).click();
    const lost = page.getByRole('article').filter({ hasText: 'lease_lost' });
    await lost.getByText('Send it again').waitFor();
    await page.getByRole('article').filter({ hasText: 'encrypted_pdf' }).getByText('Remove the password').waitFor();
    await expectAccessible(page, AXE, 'errors');
    await lost.getByRole('button', { name: 'Show its lines' }).click();
    await page.getByText('2 lines', { exact: true }).waitFor();
    await expect.poll(customIds).toEqual(['line-7', 'line-49999']);
  });

  it('results are taken away as a table', async () => {
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Download CSV' }).click(),
    ]);
    expect(download.suggestedFilename()).toBe(`${large}.csv`);
    const lines = readFileSync(await download.path(), 'utf8')
      .trimEnd()
      .split('\r\n');
    expect(lines).toHaveLength(1 + LINES);
    expect(lines[1]).toBe('1,line-1,completed,answer 1,,,5,3,0.2,');
    expect(lines[LOCKED]).toBe(`${LOCKED},line-${LOCKED},failed,,encrypted_pdf,locked,,,,`);
  });

  it('failed lines are asked again in a batch of their own, which is watched to its end', async () => {
    await page.getByRole('button', { name: 'Retry 3 failed lines' }).click();
    await expect.poll(() => page.url()).not.toContain(large);
    await page.getByText('completed', { exact: true }).first().waitFor();
    await page.getByText('3 answered, 0 failed').waitFor();
    await page.getByRole('button', { name: 'line-49999' }).click();
    const panel = page.getByRole('complementary');
    await panel.getByRole('link', { name: 'What became of its cache' }).click();
    await page.getByRole('heading', { name: /^batch_\w+_49999$/ }).waitFor();
    await page.goto(`/batches/${large}`);
    await page.getByRole('combobox', { name: /^Status/ }).selectOption('failed');
    const answered = page.getByRole('link', { name: 'answered in a retry' });
    await answered.nth(2).waitFor();
    await expectAccessible(page, AXE, 'lines that a retry answered');
    await answered.first().click();
    await page.getByText('3 answered, 0 failed').waitFor();
    await page.goto('/batches');
    await page.getByText(`retry of ${large}`).waitFor();
    await expectAccessible(page, AXE, 'batches');
  });

  it('one that runs is watched, and cancelled', async () => {
    const client = system.client();
    const bodies = Array.from({ length: 6 }, (_, i) =>
      ask(`question ${i}`, { max_completion_tokens: i === 0 ? 2 : 300_000 }),
    );
    const { id } = await submitBatch(client, bodies);
    await page.goto(`/batches/${id}`);
    await page.getByText('1 answered, 0 failed').waitFor();
    await page.locator('.row').filter({ hasText: 'c1' }).getByText('completed').waitFor();
    await page.locator('.row').filter({ hasText: 'c2' }).getByText('waiting').waitFor();
    await page.getByRole('button', { name: 'Cancel the batch' }).click();
    await page.getByText('cancelled', { exact: true }).first().waitFor();
    await page.getByRole('tab', { name: 'Errors (5)' }).click();
    await page.getByRole('article').filter({ hasText: 'batch_cancelled' }).waitFor();
    expect((await client.batches.retrieve(id)).status).toBe('cancelled');
  });

  it('breaks no rule of its policy, and asks for nothing elsewhere', () => {
    expect(opened.complaints).toEqual([]);
  });
});

/** A batch of fifty thousand lines that has ended, as its workers would have left it: three lines failed. */
async function endedBatch(system: TestSystem): Promise<string> {
  const redis = new Redis(system.redis.url);
  const records = new Records(redis, '{madakv}');
  const store = await LocalFileStore.open(system.storage);
  const [id, inputId] = [newId('batch'), newId('file')];
  const numbers = Array.from({ length: LINES }, (_, i) => i + 1);
  const write = async (key: string, values: readonly object[]): Promise<void> => {
    await store.put(key, Buffer.from(values.map((value) => `${JSON.stringify(value)}\n`).join('')));
  };
  await write(
    storeKeys.file(inputId),
    numbers.map((line) => ({
      custom_id: `line-${line}`,
      method: 'POST',
      url: '/v1/chat/completions',
      body: ask(`question ${line}`),
    })),
  );
  const failed = new Set([...LOST, LOCKED]);
  const outputs = numbers.filter((line) => !failed.has(line)).map((line) => resultOf(id, line, 200, answerBody(line)));
  const errors = [...failed]
    .sort((a, b) => a - b)
    .map((line) =>
      line === LOCKED
        ? resultOf(id, line, 400, errorBodyOf('encrypted_pdf', 'locked'))
        : resultOf(id, line, 503, errorBodyOf('lease_lost', 'the lease ended')),
    );
  await write(storeKeys.file(`file-out-${id}`), outputs);
  await write(storeKeys.file(`file-err-${id}`), errors);
  const now = Math.floor(Date.now() / 1000);
  const object: BatchObject = {
    id,
    object: 'batch',
    endpoint: '/v1/chat/completions',
    input_file_id: inputId,
    completion_window: '24h',
    status: 'completed',
    output_file_id: `file-out-${id}`,
    error_file_id: `file-err-${id}`,
    created_at: now - 600,
    in_progress_at: now - 599,
    completed_at: now,
    request_counts: { total: LINES, completed: LINES - failed.size, failed: failed.size },
    metadata: null,
  };
  const cursor = { byte: 0, line: 1 };
  const record: BatchRecord = { tenant: 'acme', inputKey: storeKeys.file(inputId), object, cursor, ending: null };
  await records.batches.create(record);
  await records.batches.update(id, () => record);
  redis.disconnect();
  return id;
}

function resultOf(id: string, line: number, status_code: number, body: Record<string, unknown>): BatchResult {
  const request_id = lineRequestId(id, line);
  const response = { status_code, request_id, body };
  return { id: batchResultId(request_id), custom_id: `line-${line}`, response, error: null };
}

function answerBody(line: number): Record<string, unknown> {
  const usage = { prompt_tokens: 5, completion_tokens: 3, total_tokens: 8 };
  return { choices: [{ message: { content: `answer ${line}` } }], usage, madakv: { cache_ratio: 0.2 } };
}

function errorBodyOf(code: string, message: string): Record<string, unknown> {
  return { error: { message, type: 'server_error', param: null, code } };
}
