import { randomInt } from 'node:crypto';
import { Option, type Command } from 'commander';
import type { Protocol } from '@madakv/engine';
import { policies } from '@madakv/madakv';
import { DEFAULTS } from '@madakv/requests';
import type { CommandIo } from '../command.io.js';
import { addEngineOptions, type EngineFlags } from '../engine.flags.js';
import { keyValue, ratio, wholeNumber } from '../flag.values.js';
import { MODEL_FLAG, MODEL_TEXT } from '../models/model.folder.js';
import { generationSettings } from '../request/generation.mapping.js';
import { loadRequest } from '../request/request.file.js';
import { generate } from './generate.js';

interface GenerateFlags extends EngineFlags {
  readonly model: string;
  readonly request: string;
  readonly policy?: string;
  readonly policyOption?: Record<string, unknown>;
  readonly cacheRatio?: number;
  readonly maxTokens?: number;
  readonly protocol?: Protocol;
  readonly profile: boolean;
  readonly logits?: true;
  readonly json?: true;
}

export function registerGenerate(program: Command, io: CommandIo): void {
  const command = program
    .command('generate')
    .description('Answer one request: an OpenAI chat-completion body, with text and images.')
    .requiredOption(MODEL_FLAG, MODEL_TEXT)
    .requiredOption('--request <file>', 'JSON file with the request, or - for standard input')
    .option('--policy <name>', `eviction policy (default: ${DEFAULTS.policy}): ${Object.keys(policies).join(', ')}`)
    .option('--policy-option <key=value>', 'option of the policy, the value as JSON; may be repeated', keyValue)
    .option('--cache-ratio <share>', `share of the prompt’s cache to keep (default: ${DEFAULTS.cacheRatio})`, ratio)
    .option('--max-tokens <number>', `most tokens of the answer (default: ${DEFAULTS.maxTokens})`, wholeNumber(1))
    .addOption(
      new Option(
        '--protocol <name>',
        'replay: the first answer token comes from the evicted cache; plain: from the full one',
      )
        .choices(['replay', 'plain'])
        .default(undefined, DEFAULTS.protocol),
    )
    .option('--no-profile', 'ignore the layer profile that `madakv calibrate` made')
    .option('--logits', 'with --json: also the logits of the first answer token')
    .option('--json', 'print one JSON object instead of text and table');
  addEngineOptions(command)
    .addHelpText(
      'after',
      `
Flags win over the request, the request over the defaults. An image URL may be a path (relative to the request file),
a file: URL or a data URL. A key "madakv" in the request takes {cache_ratio, policy, options, layout}.

Examples:
  madakv generate --model models/madakv-reader --request question.json
  madakv generate --model models/madakv-reader --request question.json --cache-ratio 0.05 --json --logits
  madakv generate --model qwen --request question.json --quant 4 --policy snapkv
  madakv generate --model qwen --request question.json --policy-option pooling.cols=9 --policy-option theta=0.95
  echo '{"messages":[{"role":"user","content":"Hello"}]}' | madakv generate --model qwen --request -`,
    )
    .action(async (flags: GenerateFlags) => {
      const { body, source } = await loadRequest(flags.request, io);
      const settings = generationSettings(body, { ...flags, policyOptions: flags.policyOption ?? {} }, () =>
        randomInt(2 ** 31),
      );
      await generate({ body, source, settings, flags }, io);
    });
}
