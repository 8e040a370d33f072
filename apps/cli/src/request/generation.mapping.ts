import {
  generationSettings as settingsOf,
  withSeed,
  type FileRequest,
  type GenerationSettings,
  type SettingsOverrides,
} from '@madakv/requests';
import { asUsageError } from './usage.errors.js';

/**
 * Joins flags, body and defaults, in this order of precedence.
 * @param randomSeed taken when tokens are drawn and the request has no seed
 * @throws UsageError for keys that contradict each other
 */
export function generationSettings(
  body: FileRequest,
  flags: SettingsOverrides,
  randomSeed: () => number,
): GenerationSettings {
  return asUsageError(() => settingsOf(withSeed(body, randomSeed), flags));
}
