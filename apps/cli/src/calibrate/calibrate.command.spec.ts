import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CalibratedProfile } from '@madakv/engine';
import { captureRun, type CapturedRun } from '../captured.run.js';
import type { AnswerJson } from '../generate/answer.json.js';

const FIXTURES = fileURLToPath(new URL('../../../../test/conformance/fixtures', import.meta.url));
const MODEL = join(FIXTURES, 'qwen-plain', 'checkpoint');
const REQUEST = join(FIXTURES, 'qwen-plain', 'one-image', 'request.json');

let work: string;
beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), 'madakv-calibrate-'));
});
afterAll(() => {
  rmSync(work, { recursive: true, force: true });
});

const line = (image: string, more: object = {}): string =>
  JSON.stringify({
    messages: [
      {
        role: 'user',
        content: [
          { type: 'image_url', image_url: { url: join(FIXTURES, 'images', image) } },
          { type: 'text', text: 'What does the table say?' },
        ],
      },
    ],
    ...more,
  });

const run = (command: string, ...args: string[]): Promise<CapturedRun> =>
  captureRun([command, '--model', MODEL, '--cache-dir', join(work, 'cache'), '--threads', '1', ...args], { cwd: work });

const calibrate = (lines: readonly string[], ...args: string[]): Promise<CapturedRun> => {
  writeFileSync(join(work, 'data.jsonl'), lines.join('\n'));
  return run('calibrate', '--data', 'data.jsonl', ...args);
};

describe('calibrate', () => {
  it('writes a profile that generate uses, and says so', async () => {
    const before = JSON.parse((await run('generate', '--request', REQUEST, '--json')).stdout) as AnswerJson;
    expect(before.cache.profile).toBeUndefined();

    const lines = [line('exact.png', { expected: 'no such answer' }), '', line('wide.png')];
    const { code, stdout, stderr } = await calibrate(lines, '--ratio', '0.2');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^2 requests, \d+ prompt tokens; one layer at a time keeps 20 % of its rows; 0 % correct/);
    expect(stdout).toMatch(/^ +1 +[\d.e-]+ +[\d.e-]+ +\d+ % +0 % +\d+-\d+ % +\d\.\d\d +█/m);
    const path = /profile written to (.*)\n/.exec(stdout)?.[1] ?? '';
    const profile = JSON.parse(readFileSync(path, 'utf8')) as CalibratedProfile;
    expect(profile.layers).toHaveLength(2);
    expect((profile.layers[0] + profile.layers[1]) / 2).toBeCloseTo(1);
    expect(profile.provenance).toMatchObject({ requests: 2, ratio: 0.2, data: { file: 'data.jsonl' } });
    expect(profile.provenance.figures.correctFull).toBe(0);

    const args = ['--request', REQUEST, '--json'];
    const after = JSON.parse((await run('generate', ...args)).stdout) as AnswerJson;
    expect(after.cache.profile).toMatchObject({ file: path, requests: 2, layers: profile.layers });
    expect(after.cache.layers.map(({ budget }) => budget)).not.toEqual(before.cache.layers.map(({ budget }) => budget));
    expect((await run('generate', '--request', REQUEST)).stdout).toContain('layers as calibrated on 2 requests');
    for (const without of [['--no-profile'], ['--policy', 'snapkv'], ['--policy-option', 'profile=late']]) {
      const plain = JSON.parse((await run('generate', ...args, ...without)).stdout) as AnswerJson;
      expect(plain.cache.profile).toBeUndefined();
    }

    writeFileSync(path, '{"format":1}');
    expect(await run('generate', '--request', REQUEST)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^madakv: .*profile\.json: not a layer profile .*calibrate again\n$/) as string,
    });
  });

  it('takes the first lines only when asked to, and prints the profile', async () => {
    const { stdout } = await calibrate([line('exact.png'), '{'], '--limit', '1', '--ratio', '0.3', '--json');
    expect((JSON.parse(stdout) as CalibratedProfile).provenance).toMatchObject({ requests: 1, ratio: 0.3 });
  });

  it.each([
    [['{"messages":[}'], 'data.jsonl: not JSON: line 1, column 14'],
    [[line('exact.png'), '{"messages":"x"}'], 'data.jsonl:2: messages: expected array, received string'],
    [[line('exact.png', { expected: 5 })], 'data.jsonl:1: expected: expected string, received number'],
    [[''], 'data.jsonl: has no requests'],
    [[line('none.png')], /data\.jsonl:1: messages\.0\.content\.0\.image_url\.url: .*no such file/],
  ])('says what is wrong with %j', async (lines, message) => {
    const { code, stderr } = await calibrate(lines);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^madakv: [^\n]+\n$/);
    expect(stderr).toMatch(message);
  });

  it('says which request is too short for the ratio', async () => {
    const { code, stderr } = await calibrate([line('exact.png')], '--ratio', '0.01');
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /^madakv: data\.jsonl:1: ratio 0\.01 keeps 0\.52 of 52 prompt tokens .* at least \d+ are needed\n$/,
    );
  });
});
