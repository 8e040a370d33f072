import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A checkpoint of 800 KB: what it answers makes no sense, but is the same each time. */
export const CHECKPOINT = fileURLToPath(new URL('../conformance/fixtures/qwen-plain/checkpoint', import.meta.url));

/** An id beyond the vocabulary. */
const NO_TOKEN = 1_000_000;

/** The checkpoint with room for as long a request as is asked for (its positions are computed, not learned), whose answers never end by themselves. */
export function roomyCheckpoint(folder: string): string {
  const roomy = join(folder, 'roomy');
  cpSync(CHECKPOINT, roomy, { recursive: true });
  const file = join(roomy, 'config.json');
  const config = readFileSync(file, 'utf8');
  writeFileSync(file, config.replace(/("max_position_embeddings"): \d+/g, '$1: 1000000'));
  writeFileSync(join(roomy, 'generation_config.json'), JSON.stringify({ eos_token_id: NO_TOKEN }));
  return roomy;
}
