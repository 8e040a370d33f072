import { fileURLToPath } from 'node:url';
import { errorBody, MadakvError, parseChatRequest } from '@madakv/contracts';
import { format, resolveConfig } from 'prettier';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PREPARE_ERROR_CODES } from '../../apps/worker/src/prepare/index.js';
import { BAD_INPUTS, LIMITS, type BadInput } from './prepare.bad.input.js';
import { PrepareWorld } from './prepare.world.js';

const PAGE = fileURLToPath(new URL('../../docs/bad-input.md', import.meta.url));

let world: PrepareWorld;
let reading: PrepareWorld;
beforeAll(async () => {
  world = await PrepareWorld.start({ environment: LIMITS });
  reading = await PrepareWorld.start({ environment: LIMITS, checkpoint: 'qwen3-plain' });
});
afterAll(async () => {
  await world.close();
  await reading.close();
});

/** As gateway and worker go about it: read and check the body, then prepare it. */
async function failureOf({ body }: BadInput, world: PrepareWorld): Promise<MadakvError> {
  const given = await body(world);
  try {
    await world.prepare(parseChatRequest(typeof given === 'string' ? given : JSON.stringify(given)));
  } catch (error) {
    if (error instanceof MadakvError) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

/** `…` stands for anything. */
function patternOf(message: string): RegExp {
  const literal = message.split('…').map((piece) => piece.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${literal.join('.*')}$`);
}

describe.each(BAD_INPUTS)('$title', ({ rows, checkpoint }) => {
  it.each(rows)('$input', async (row) => {
    const error = await failureOf(row, checkpoint === undefined ? world : reading);
    expect(error.httpStatus).toBe(row.status);
    const { error: told } = errorBody(error);
    expect({ code: told.code, param: told.param }).toEqual({ code: row.code, param: row.param });
    expect(told.message).toMatch(patternOf(row.message));
    expect(error.code === 'invalid_json' || PREPARE_ERROR_CODES.some((code) => code === error.code)).toBe(true);
  });
});

it('nothing was asked of any other server, and nothing at all for a model that reads text alone', () => {
  expect(reading.asked).toEqual([]);
  expect(world.asked.every((path) => /^\/(moved|missing|busy|page|pdf-as-png|large)/.test(path))).toBe(true);
});

it('docs/bad-input.md has this table', async () => {
  const page = await format(markdown(), { ...(await resolveConfig(PAGE)), parser: 'markdown' });
  await expect(page).toMatchFileSnapshot(PAGE);
});

function markdown(): string {
  const cell = (text: string): string => text.replaceAll('|', '\\|');
  const table = (rows: readonly BadInput[]): string =>
    [
      '| input | status | `code` | message |',
      '| --- | --- | --- | --- |',
      ...rows.map(
        ({ input, status, code, message }) => `| ${cell(input)} | ${status} | \`${code}\` | ${cell(message)} |`,
      ),
    ].join('\n');
  return `# Bad input

What a request is told that cannot be answered. A chat completion gets the status and the body below; a line of a batch
gets both in the batch's error file, and the other lines are answered all the same.

\`\`\`json
{ "error": { "message": "…", "type": "invalid_request_error", "param": "messages.0.content.1.file", "code": "encrypted_pdf" } }
\`\`\`

\`param\` is the key of the request that is wrong. Messages name the part, the page and the limit with its number, and
hold no text of documents. \`…\` stands for what differs; the numbers here are those of the tests' small limits (settings:
\`MADAKV_MAX_*\`, \`MADAKV_FETCH_*\`). Errors that may pass (status 503) are tried again, five times in all, before anybody
is told. [documents.md](documents.md) explains every code of documents, images and URLs.

This page is written by \`test/integration/prepare.bad.input.spec.ts\`, which sends every row
(\`vitest run --project integration prepare.bad.input -u\` writes it anew).

${BAD_INPUTS.map(({ title, rows }) => `## ${title}\n\n${table(rows)}\n`).join('\n')}`;
}
