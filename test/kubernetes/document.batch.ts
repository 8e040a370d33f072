import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { toFile } from 'openai';
import type { PatientCaller } from '../e2e/chaos.batch.js';
import { DEMO } from '../e2e/system.fixture.js';

/** File for the figure of docs/kubernetes.md; none is drawn where it is not set. */
export const FIGURE = process.env['MADAKV_FIGURE'];

export const READER = 'madakv-reader';

interface Question {
  readonly custom_id: string;
  readonly file: string;
  readonly question: string;
}

/** Every question is asked with so much of the cache; more often for a figure. */
const RATIOS = FIGURE === undefined ? [0.5, 0.1] : [0.5, 0.4, 0.3, 0.25, 0.2, 0.15, 0.1, 0.05];

/** The bundled documents and the questions about them, as one batch's input. Its documents are uploaded first. */
export async function documentBatch(caller: PatientCaller): Promise<{ input: string; lines: number }> {
  const questions = parse<Question>(readFileSync(join(DEMO, 'questions.csv')), { columns: true });
  const files = new Map<string, string>();
  for (const name of new Set(questions.map(({ file }) => file))) {
    const content = readFileSync(join(DEMO, name));
    const { id } = await caller.ask(async (client) =>
      client.files.create({ file: await toFile(content, name), purpose: 'user_data' }),
    );
    files.set(name, id);
  }
  const lines = RATIOS.flatMap((ratio) =>
    questions.map(({ custom_id, file, question }) => ({
      custom_id: `${custom_id}-${ratio}`,
      method: 'POST',
      url: '/v1/chat/completions',
      body: {
        model: READER,
        temperature: 0,
        max_tokens: 40,
        messages: [
          {
            role: 'user',
            content: [
              { type: 'file', file: { file_id: files.get(file) } },
              { type: 'text', text: question },
            ],
          },
        ],
        // Not less where memory is short: answers are compared.
        madakv: { cache_ratio: ratio, min_cache_ratio: ratio },
      },
    })),
  );
  return { input: lines.map((line) => `${JSON.stringify(line)}\n`).join(''), lines: lines.length };
}
