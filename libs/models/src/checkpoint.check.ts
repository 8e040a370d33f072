import { CheckpointError } from './checkpoint/checkpoint.error.js';
import { CheckpointFolder } from './checkpoint/checkpoint.folder.js';
import { readQuantisation } from './checkpoint/quantised/quantisation.js';
import { familyOf } from './families.js';
import { ChatTemplate } from './prompt/chat.template.js';
import { Tokenizer } from './tokenizer/tokenizer.js';

/**
 * Looks at a checkpoint whose weights are not there yet: whether its family and its settings are supported.
 * @param has `config`: there is config.json and nothing else; `descriptions`: all but the weights
 * @param shown what messages call the folder
 * @throws CheckpointError
 */
export function checkDescription(dir: string, has: 'config' | 'descriptions', shown = dir): void {
  try {
    const folder = new CheckpointFolder(dir);
    const family = familyOf(folder);
    readQuantisation(folder);
    if (has === 'config') return;
    const config = family.parseConfig(folder);
    const { specialTokens } = Tokenizer.open(folder);
    ChatTemplate.open(folder, specialTokens, '');
    family.imageProcessor?.(folder, config);
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    throw new CheckpointError(error.code, error.message.replaceAll(dir, shown), { cause: error });
  }
}
