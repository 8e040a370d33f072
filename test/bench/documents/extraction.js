#!/usr/bin/env node
/*
 * Twelve fields from each of twenty PDFs of one page: a request with madakv.extract a document, against a request a field. With --unseen each of
 * those sees its page anew; otherwise what the vision tower made of a page is there for all that ask about it.
 *
 *   node test/bench/documents/extraction.js [--rounds 3] [--threads 1] [--unseen]
 */
import { parseArgs } from 'node:util';
import { extractionRequests } from '../../../libs/requests/dist/index.js';
import { ALONE, BenchSystem, demoDocument, median, textOf } from './bench.system.js';

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    threads: { type: 'string', default: '1' },
    unseen: { type: 'boolean' },
  },
});
const PAGES = ['invoice.pdf', 'receipt.pdf', 'form.pdf', 'delivery-note.pdf', 'invoice-scan.pdf'];
const DOCUMENTS = 20;
const FIELDS = [
  'invoice number', 'due date', 'total amount', 'sort code', 'discount', 'receipt number',
  'cashier', 'last name', 'date of birth', 'member number', 'carrier', 'delivery number',
]; // prettier-ignore
const name = (title) => title.replaceAll(' ', '_');
const schema = {
  type: 'object',
  properties: Object.fromEntries(FIELDS.map((title) => [name(title), { title, type: ['string', 'null'] }])),
};

async function bodies(system, round) {
  const made = [];
  for (let i = 0; i < DOCUMENTS; i++) {
    // Twenty documents that nobody has seen before, in every round.
    const content = Buffer.concat([demoDocument(PAGES[i % PAGES.length]), Buffer.from(`%${round}.${i}\n`)]);
    const file_id = await system.upload(`${i}.pdf`, 'user_data', content);
    made.push({
      messages: [{ role: 'user', content: [{ type: 'file', file: { file_id } }] }],
      response_format: { type: 'json_schema', json_schema: { name: 'fields', schema } },
      madakv: { extract: true },
    });
  }
  return made;
}

const [together, alone] = [
  await BenchSystem.start({ MADAKV_THREADS: flags.threads }),
  await BenchSystem.start({
    MADAKV_THREADS: flags.threads,
    ...ALONE,
    ...(flags.unseen ? { MADAKV_FEATURE_CACHE_BYTES: '0' } : {}),
  }),
];
const [on, off] = [[], []];
let same = 0;
try {
  for (let round = 0; round <= Number(flags.rounds); round++) {
    const extracted = await together.batch(await bodies(together, round));
    const separate = await alone.batch(
      (await bodies(alone, round)).flatMap((body) =>
        extractionRequests({ model: alone.model, ...body }).requests.map((request) => ({ ...request })),
      ),
    );
    if (round === 0) continue;
    on.push(extracted.ms);
    off.push(separate.ms);
    const fields = extracted.answers.flatMap(({ madakv }) => madakv.fields.map(({ answer }) => answer));
    same = separate.answers.filter((body, i) => textOf(body) === fields[i]).length;
  }
} finally {
  await together.stop();
  await alone.stop();
}
const [extractMs, separateMs] = [median(on), median(off)];
console.log(
  JSON.stringify({
    documents: DOCUMENTS,
    fields: FIELDS.length,
    extractSeconds: extractMs / 1_000,
    separateSeconds: separateMs / 1_000,
    ratio: separateMs / extractMs,
    sameAnswers: `${same} of ${DOCUMENTS * FIELDS.length}`,
  }),
);
