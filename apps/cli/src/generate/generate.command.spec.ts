import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InterruptedError } from '../exit.codes.js';
import { captureRun, type CapturedRun, type RunSettings } from '../captured.run.js';
import type { AnswerJson } from './answer.json.js';

const FIXTURES = fileURLToPath(new URL('../../../../test/conformance/fixtures', import.meta.url));
const QWEN = join(FIXTURES, 'qwen-plain', 'checkpoint');
const LLAVA = join(FIXTURES, 'llava-plain', 'checkpoint');
const PAGE = join(FIXTURES, 'images', 'exact.png');

let work: string;
beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), 'madakv-cli-'));
});
afterAll(() => {
  rmSync(work, { recursive: true, force: true });
});

const generate = (args: readonly string[], settings?: RunSettings): Promise<CapturedRun> =>
  captureRun(['generate', '--cache-dir', join(work, 'cache'), '--threads', '1', ...args], settings);

/** Runs a request given as a body. */
const ask = (body: unknown, args: readonly string[] = [], settings: RunSettings = {}): Promise<CapturedRun> =>
  generate(['--model', QWEN, '--request', '-', ...args], { stdin: JSON.stringify(body), ...settings });

const page = (url: string): unknown => ({ type: 'image_url', image_url: { url } });
const question = (...parts: readonly unknown[]): { messages: unknown[]; max_tokens: number } => ({
  messages: [{ role: 'user', content: [...parts, { type: 'text', text: 'What does the table say?' }] }],
  max_tokens: 4,
});

const answerOf = ({ code, stdout, stderr }: CapturedRun): AnswerJson => {
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout.endsWith('\n') && stdout.trim().split('\n').length === 1).toBe(true);
  return JSON.parse(stdout) as AnswerJson;
};

const expectError = ({ code, stdout, stderr }: CapturedRun, message: string | RegExp, exitCode = 2): void => {
  expect(stderr).toMatch(/^madakv: [^\n]+\n$/);
  expect(stderr).toMatch(message);
  expect({ code, stdout }).toEqual({ code: exitCode, stdout: '' });
};

interface Expected {
  readonly prompt_tokens: number;
  readonly greedy: { readonly tokens: number[] };
}

it('keeps an answer to the schema of response_format', async () => {
  const schema = {
    type: 'object',
    properties: { n: { type: 'integer', minimum: 10, maximum: 12 } },
    required: ['n'],
    additionalProperties: false,
  };
  const body = {
    ...question(page(pathToFileURL(PAGE).href)),
    max_tokens: 60,
    response_format: { type: 'json_schema', json_schema: { name: 'x', schema, strict: true } },
  };
  const answer = answerOf(await ask(body, ['--json']));
  expect([10, 11, 12]).toContain((JSON.parse(answer.text) as { n: number }).n);
  expectError(await ask({ ...body, response_format: { type: 'xml' } }), 'response_format');
});

describe.each([
  ['qwen-plain', QWEN],
  ['llava-plain', LLAVA],
])('generate on %s', (name, model) => {
  it.each(['text', 'one-image', 'three-images'])(
    'gives the reference’s answer to %s with the full cache',
    async (request) => {
      const folder = join(FIXTURES, name, request);
      const file = join(folder, 'request.json');
      const run = await generate(['--model', model, '--request', file, '--policy', 'full', '--json', '--logits']);
      const answer = answerOf(run);
      const expected = JSON.parse(readFileSync(join(folder, 'expected.json'), 'utf8')) as Expected;
      const ids = readFileSync(join(folder, 'input_ids.bin'));
      expect(answer.token_ids).toEqual(expected.greedy.tokens);
      expect(answer.prompt_token_ids).toEqual([
        ...new Int32Array(ids.buffer.slice(ids.byteOffset, ids.byteOffset + ids.length)),
      ]);
      expect(answer.usage).toEqual({
        prompt_tokens: expected.prompt_tokens,
        completion_tokens: 12,
        total_tokens: expected.prompt_tokens + 12,
      });
      expect(answer.finish_reason).toBe('length');
      const best = Math.max(...(answer.first_logits ?? []));
      expect(answer.first_logits?.indexOf(best)).toBe(expected.greedy.tokens[0]);
      expect(answer.cache).toMatchObject({ policy: 'full', ratio: 1, protocol: 'replay' });
      expect(answer.logprobs).toBeUndefined();
    },
  );
});

describe('generate', () => {
  it('streams the text, then reports what the cache kept', async () => {
    const pieces: string[] = [];
    const body = question(page(PAGE));
    const run = await ask(body, ['--cache-ratio', '0.3'], { onOutput: (piece) => pieces.push(piece) });
    const { text } = answerOf(await ask(body, ['--cache-ratio', '0.3', '--json']));
    expect(run.code).toBe(0);
    expect(pieces.length).toBeGreaterThan(2);
    expect(run.stdout.startsWith(`${text}\n\nKept a head`)).toBe(true);
    expect(run.stdout).toMatch(/^layer +budget +demand +compensation +kept +text +visual$/m);
    expect(run.stdout).toMatch(/^ +1( +[\d.-]+){6}$/m);
    expect(run.stdout).toMatch(/^prompt +52 tokens: 40 text, 12 visual$/m);
    expect(run.stdout).toMatch(/^cache +full 26\.0 KiB, peak .* kept .*\(\d+\.\d %\)$/m);
    expect(run.stdout).toContain('madakv at cache ratio 0.3, replay protocol');
  });

  it('takes an image as path, file: URL and data URL, relative paths from the request file', async () => {
    const bytes = readFileSync(PAGE);
    const urls = [
      PAGE,
      pathToFileURL(PAGE).href,
      `data:image/png;base64,${bytes.toString('base64')}`,
      `data:image/png,${[...bytes].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')}`,
    ];
    const answers = [];
    for (const url of urls) answers.push(answerOf(await ask(question(page(url)), ['--json'])).token_ids);
    copyFileSync(PAGE, join(work, 'page.png'));
    writeFileSync(join(work, 'request.json'), JSON.stringify(question(page('page.png'))));
    answers.push(
      answerOf(await generate(['--model', QWEN, '--request', 'request.json', '--json'], { cwd: work })).token_ids,
    );
    expect(new Set(answers.map(String)).size).toBe(1);
  });

  it('lets flags win over the body, and the body over the defaults', async () => {
    const body = { ...question(page(PAGE)), madakv: { cache_ratio: 0.5, policy: 'snapkv', options: { window: 8 } } };
    const fromBody = answerOf(await ask(body, ['--json']));
    expect(fromBody.cache).toMatchObject({ policy: 'snapkv', ratio: 0.5, protocol: 'replay' });
    expect(fromBody.usage.completion_tokens).toBe(4);
    const args = ['--policy', 'h2o', '--cache-ratio', '0.4', '--max-tokens', '2', '--protocol', 'plain', '--json'];
    const fromFlags = answerOf(await ask(body, args));
    expect(fromFlags.cache).toMatchObject({ policy: 'h2o', ratio: 0.4, protocol: 'plain' });
    expect(fromFlags.usage.completion_tokens).toBe(2);
  });

  it('reports log-probabilities as OpenAI does', async () => {
    const body = { ...question(), logprobs: true, top_logprobs: 3 };
    const { logprobs, token_ids: ids } = answerOf(await ask(body, ['--json']));
    const content = logprobs?.content ?? [];
    expect(content.map(({ id }) => id)).toEqual(ids);
    for (const { id, logprob, top_logprobs: top } of content) {
      expect(top).toHaveLength(3);
      expect(top[0]).toMatchObject({ id, logprob });
    }
  });

  it('repeats itself with a seed, and runs quantised weights', async () => {
    const body = { ...question(), temperature: 1.5, seed: 7, max_tokens: 8 };
    const args = ['--json', '--quant', '8', '--block-size', '32'];
    expect(answerOf(await ask(body, args)).token_ids).toEqual(answerOf(await ask(body, args)).token_ids);
  });

  it('keeps an int8 cache in less than a third of the bytes', async () => {
    const bytes = async (type: string): Promise<number> =>
      answerOf(await ask(question(page(PAGE)), ['--json', '--kv-cache', type])).cache.bytes.afterEviction;
    expect((await bytes('int8')) / (await bytes('fp32'))).toBeLessThan(1 / 3);
  });

  it('runs with int8 products', async () => {
    expect(answerOf(await ask(question(page(PAGE)), ['--json', '--quant', 'w8a8'])).usage.completion_tokens).toBe(4);
  });

  it('says what is wrong with a cache ratio that is too small, with the ratio that would do', async () => {
    const run = await ask(question(page(PAGE)), ['--cache-ratio', '0.01']);
    expectError(run, 'cache ratio 0.01 is too small: it keeps 0.52 of 52 prompt tokens a head and layer');
    const least = /use ([\d.]+) or more/.exec(run.stderr)?.[1] ?? '';
    expect((await ask(question(page(PAGE)), ['--cache-ratio', least])).code).toBe(0);
  });

  it('says by how much a request has too many tokens', async () => {
    expectError(
      await ask(question(page(PAGE)), ['--max-tokens', '5000']),
      /too many tokens: the prompt of 52 tokens .* 5000 answer tokens .* 4096 positions by \d+/,
    );
  });

  it('names the part of the request whose image is wrong', async () => {
    const at = 'standard input: messages.0.content.0.image_url.url: ';
    expectError(await ask(question(page('missing.png'))), `${at}missing.png: no such file`);
    expectError(await ask(question(page(QWEN))), 'is a folder, not a file');
    expectError(await ask(question(page('data:image/png;base64,AAAA'))), /not an image that can be read/);
    expectError(await ask(question(page(join(QWEN, 'config.json')))), /not an image that can be read/);
    expectError(await ask(question(page('https://example.org/a.png'))), /fetches nothing from the network/);
    expectError(await ask(question(page('s3://bucket/a.png'))), /must be data: or file:, or a path/);
  });

  it('tells line and column of what is not JSON, and the path of a key of the wrong type', async () => {
    const broken = await generate(['--model', QWEN, '--request', '-'], { stdin: '{\n  "messages": [,]\n}' });
    expectError(broken, 'standard input: not JSON: line 2, column 16: unexpected ","');
    expectError(await ask({ ...question(), temperature: 'hot' }), 'standard input: temperature: expected number');
    expectError(await ask({ ...question(), madakv: { ratio: 0.1 } }), /madakv: Unrecognized key: "ratio"/);
    expectError(await ask({ ...question(), top_logprobs: 2 }), 'top_logprobs: needs logprobs to be true');
    expectError(await generate(['--model', QWEN, '--request', 'none.json']), 'none.json: no such file');
  });

  it('names the option or the policy that is wrong', async () => {
    expectError(await ask(question(), ['--policy', 'best']), /unknown eviction policy "best"; known: madakv,/);
    expectError(await ask(question(), ['--policy-option', 'theta=2']), 'madakv: option theta must be');
    expectError(await ask(question(), ['--policy-option', 'theta']), 'It must be written key=value.');
    expectError(await ask(question(), ['--cache-ratio', '1.5']), 'It must be a number above 0 and at most 1.');
    expectError(await ask(question(), ['--max-tokens', 'many']), 'It must be a whole number of at least 1.');
    expectError(await ask(question(), ['--quant', '5']), 'Allowed choices are none, 8, 4, w8a8.');
    const [gpu, int8] = [
      ['--provider', 'webgpu'],
      ['--kv-cache', 'int8'],
    ];
    expectError(await ask(question(), [...gpu, ...int8]), '--kv-cache int8 is for --provider cpu, not webgpu');
    expectError(await ask(question(), gpu), '--threads is for --provider cpu, not webgpu');
  });

  it('fails with 1 on a model folder that cannot be used, and shows the stack when asked', async () => {
    const run = await generate(['--model', join(work, 'none'), '--request', '-'], {
      stdin: JSON.stringify(question()),
    });
    expectError(run, 'none: no such folder', 1);
    const verbose = await ask({ messages: [] }, ['--verbose']);
    expect(verbose.stderr).toMatch(/^madakv: InputFileError: .*messages.*\n +at /);
  });

  it('stops waiting for a request that never comes', async () => {
    const controller = new AbortController();
    const stdin: AsyncIterable<Uint8Array> = {
      [Symbol.asyncIterator]: () => ({
        next: () => {
          setImmediate(() => {
            controller.abort(new InterruptedError('SIGINT'));
          });
          return new Promise(() => undefined);
        },
      }),
    };
    const run = await generate(['--model', QWEN, '--request', '-'], { stdin, signal: controller.signal });
    expect(run).toEqual({ code: 130, stdout: '', stderr: 'madakv: interrupted\n' });
  });

  it('stops between two steps when told to', async () => {
    const controller = new AbortController();
    const run = await ask({ ...question(page(PAGE)), max_tokens: 500 }, ['--cache-ratio', '1'], {
      signal: controller.signal,
      onOutput: () => {
        controller.abort(new Error('enough'));
      },
    });
    expect(run).toMatchObject({ code: 1, stderr: 'madakv: enough\n' });
    expect(run.stdout).not.toContain('Kept a head');
  });
});
