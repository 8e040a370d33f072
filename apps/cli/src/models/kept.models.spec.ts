import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startFakeHub, type FakeFiles, type FakeHub } from '@madakv/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { captureRun, type CapturedRun, type RunSettings } from '../captured.run.js';

const CHECKPOINT = fileURLToPath(new URL('../../../../test/conformance/fixtures/llava-plain/checkpoint', import.meta.url));
const FILES: FakeFiles = Object.fromEntries(readdirSync(CHECKPOINT).map((name) => [name, readFileSync(join(CHECKPOINT, name))]));
const QUESTION = JSON.stringify({ messages: [{ role: 'user', content: 'Hello' }], max_tokens: 2 });

let hub: FakeHub;
let work: string;
beforeAll(async () => {
  hub = await startFakeHub();
});
afterAll(() => hub.stop());
beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'madakv-models-'));
  vi.stubEnv('HF_ENDPOINT', hub.url);
  vi.stubEnv('HF_HUB_CACHE', join(work, 'hub'));
  vi.stubEnv('HF_TOKEN_PATH', join(work, 'token'));
  vi.stubEnv('MADAKV_CACHE', join(work, 'cache'));
  hub.commit('org/reader', FILES);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(work, { recursive: true });
});

const models = (args: readonly string[], settings: RunSettings = {}): Promise<CapturedRun> =>
  captureRun(['models', ...args], { cwd: work, ...settings });
const generate = (model: string): Promise<CapturedRun> =>
  captureRun(['generate', '--model', model, '--request', '-', '--threads', '1', '--json'], { cwd: work, stdin: QUESTION });
const lists = async (): Promise<{ pulled: { repo: string }[]; built: { key: string; checkpoints: string[]; unused: boolean }[] }> =>
  JSON.parse((await models(['list', '--json'])).stdout) as never;

it('pulls a model, answers with it, lists it with what was built, and removes both', async () => {
  const { code, stdout, stderr } = await models(['pull', 'org/reader', '--json']);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const pulled = JSON.parse(stdout) as { dir: string; commit: string };
  expect(pulled).toMatchObject({ repo: 'org/reader', revision: 'main' });
  const answer = await generate('org/reader');
  expect(answer).toMatchObject({ code: 0, stderr: '' });
  expect((JSON.parse(answer.stdout) as { text: string }).text).toBe((JSON.parse((await generate(CHECKPOINT)).stdout) as { text: string }).text);
  const { stdout: table } = await models(['list']);
  expect(table).toMatch(new RegExp(`^org/reader +main +${pulled.commit.slice(0, 12)} +llava +[\\d.]+ KiB +\\d{4}-\\d\\d-\\d\\d$`, 'm'));
  // One content is one built model, wherever it lies.
  expect(table).toMatch(/^[0-9a-f]{12} +\S+, \S+ +llava +fp32, cpu +[\d.]+ [KM]iB/m);
  const only = await models(['rm', 'org/reader', '--dry-run']);
  expect(only.stdout).toMatch(/^ *[\d.]+ KiB {2}org\/reader\n[\d.]+ [KM]iB would be freed\n$/);
  expect(await models(['rm', 'org/reader'])).toMatchObject({ code: 2, stderr: expect.stringContaining('--yes') as string });
  const said = await models(['rm', 'org/reader'], { isTerminal: true, stdin: 'no\n' });
  expect(said.stderr).toContain('nothing was removed');
  expect((await lists()).pulled).toHaveLength(1);
  const removed = await models(['rm', 'org/reader', '--yes']);
  expect(removed).toMatchObject({ code: 0, stdout: expect.stringMatching(/^[\d.]+ [KM]iB freed\n$/) as string });
  // The other folder may open it still.
  expect(await lists()).toMatchObject({ pulled: [], built: [{ unused: false }] });
  expect(await models(['rm', CHECKPOINT, '--yes'])).toMatchObject({ code: 0 });
  expect(await lists()).toMatchObject({ pulled: [], built: [] });
  expect(existsSync(join(CHECKPOINT, 'config.json'))).toBe(true);
});

it('takes what was built of a pulled model along', async () => {
  await generate('org/reader');
  expect((await lists()).built).toHaveLength(1);
  const { stderr } = await models(['rm', 'org/reader@main', '--yes']);
  expect(stderr).toMatch(/org\/reader\n.*built [0-9a-f]{12} of org\/reader\n/);
  expect(await lists()).toMatchObject({ pulled: [], built: [] });
});

it('removes what is unused, and what is old', async () => {
  const copy = join(work, 'copy');
  cpSync(CHECKPOINT, copy, { recursive: true });
  await generate(copy);
  expect(await models(['rm', '--unused', '--yes'])).toMatchObject({ code: 0, stderr: 'no such models\n' });
  rmSync(copy, { recursive: true });
  expect((await lists()).built).toMatchObject([{ unused: true }]);
  expect((await models(['list'])).stdout).toMatch(/ unused$/m);
  expect(await models(['rm', '--unused', '--yes'])).toMatchObject({ code: 0 });
  await generate('org/reader');
  expect((await models(['rm', '--older-than', '1d', '--yes'])).stderr).toBe('no such models\n');
  expect((await lists()).pulled).toHaveLength(1);
  expect(await models(['rm', (await lists()).built[0].key.slice(0, 12), '--yes'])).toMatchObject({ code: 0 });
  expect(await lists()).toMatchObject({ pulled: [{ repo: 'org/reader' }], built: [] });
});

describe('says what is wrong', () => {
  it.each([
    [['pull', 'reader'], 2, /"reader" names no model of the hub: it must be org\/name/],
    [['pull', 'org/none'], 1, /org\/none: no such repository at/],
    [['pull', 'org/mamba'], 1, /^madakv: org\/mamba\/config\.json: model_type mamba; known are /],
    [['pull', 'org/bnb'], 1, /^madakv: org\/bnb\/config\.json: quantization_config: quantised with bitsandbytes \(4 bit\).*; pull the checkpoint/],
    [['pull', 'org/moe'], 1, /^madakv: org\/moe\/config\.json: model_type qwen3_moe is a mixture of experts, which is not supported/],
    [['pull', 'org/base'], 1, /^madakv: org\/base: no chat template/],
    [['pull', 'org/blind'], 1, /^madakv: org\/blind\/processor_config\.json: makes images of 224 x 224/],
    [['rm', 'org/none', '--yes'], 2, /org\/none: no model of that name is kept here/],
    [['rm'], 2, /nothing to remove/],
    [['rm', 'org/none', '--unused'], 2, /not both/],
    [['rm', '--older-than', 'long'], 2, /such as 12h, 7d or 2w/],
    [['inspect', 'org/none'], 1, /no such repository.*Nor is there a folder org\/none here/],
  ])('of %j', async (args, code, message) => {
    const processor = JSON.parse(String(FILES['processor_config.json'])) as { image_processor: object };
    const blind = { ...processor, image_processor: { ...processor.image_processor, crop_size: { height: 224, width: 224 } } };
    hub.commit('org/mamba', { ...FILES, 'config.json': '{"model_type":"mamba"}' });
    const config = JSON.parse(String(FILES['config.json'])) as object;
    const settings = { quant_method: 'bitsandbytes', load_in_4bit: true };
    hub.commit('org/bnb', { ...FILES, 'config.json': JSON.stringify({ ...config, quantization_config: settings }) });
    hub.commit('org/moe', { ...FILES, 'config.json': '{"model_type":"qwen3_moe","num_experts":8}' });
    hub.commit('org/base', Object.fromEntries(Object.entries(FILES).filter(([name]) => name !== 'chat_template.jinja')));
    hub.commit('org/blind', { ...FILES, 'processor_config.json': JSON.stringify(blind) });
    const asked = hub.requests.length;
    expect(await models(args)).toMatchObject({ code, stderr: expect.stringMatching(message) as string });
    expect((await lists()).pulled).toEqual([]);
    // What cannot run is found out before its weights are fetched.
    expect(hub.requests.slice(asked).filter(({ url }) => url.includes('safetensors'))).toEqual([]);
  });

  it('offline', async () => {
    vi.stubEnv('HF_HUB_OFFLINE', '1');
    expect(await generate('org/reader')).toMatchObject({ code: 1, stderr: expect.stringContaining('HF_HUB_OFFLINE') as string });
    expect((await models(['list'])).stdout).toBe('no models are kept here\n');
  });
});
