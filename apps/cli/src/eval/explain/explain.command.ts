import { Option, type Command } from 'commander';
import { suites } from '@madakv/evaluation';
import { policies } from '@madakv/madakv';
import type { CommandIo } from '../../command.io.js';
import { addEngineOptions } from '../../engine.flags.js';
import { keyValue, ratio, wholeNumber } from '../../flag.values.js';
import { MODEL_FLAG, MODEL_TEXT } from '../../models/model.folder.js';
import { asUsageErrors } from '../evaluation.errors.js';
import { explain, type ExplainFlags } from './explain.js';

export function registerEvalExplain(group: Command, io: CommandIo): void {
  const command = group
    .command('explain')
    .description('Show for one question what each head kept, and whether that is where the right answer is read from.')
    .addOption(new Option('--suite <name>', 'kind of data').choices(Object.keys(suites)).default('reader'))
    .requiredOption(MODEL_FLAG, MODEL_TEXT)
    .requiredOption('--data <path>', 'folder of the suite’s data, or a file of it')
    .requiredOption('--id <id>', 'the question')
    .option('--set <name>', 'its set, where several have the id')
    .addOption(new Option('--policy <name>', 'eviction policy').choices(Object.keys(policies)).default('madakv'))
    .option('--policy-option <key=value>', 'option of the policy, the value as JSON; may be repeated', keyValue)
    .option('--ratio <share>', 'share of the cache to keep', ratio, 0.05)
    .option('--max-tokens <number>', 'most tokens of the answer (default: as the data says)', wholeNumber(1))
    .addOption(
      new Option('--protocol <name>', 'where the first answer token comes from')
        .choices(['replay', 'plain'])
        .default('replay'),
    )
    .option('--no-profile', 'ignore the layer profile that `madakv calibrate` made')
    .option('--out <folder>', 'where pictures and explain.json go (default: explain-<id> here)')
    .option('--json', 'print explain.json instead of tables');
  addEngineOptions(command)
    .addHelpText(
      'after',
      `
Evidence is the attention of the tokens that emit the right answer, on the full cache. In the pictures kept cells are
bright; cells with evidence are framed green where a head kept them, red where all heads of the layer dropped them.

Example:
  madakv eval explain --model models/madakv-reader --data requests/fields.jsonl --id fields-0003-1 \\
    --policy madakv --ratio 0.05 --out why`,
    )
    .action((flags: ExplainFlags) => asUsageErrors(() => explain(flags, io)));
}
