import { openModel, type OpenModel } from '@madakv/models';

/**
 * The checkpoint as prepare and the engine's thread read it: both must make the same prompt of a request. Special tokens in
 * texts are plain characters, since texts come from anywhere.
 * @throws CheckpointError
 */
export function openServedModel(dir: string): OpenModel {
  return openModel(dir, { specialTokensInText: 'text' });
}
