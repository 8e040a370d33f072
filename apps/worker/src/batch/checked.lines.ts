import { uploadIdsOf } from '@madakv/contracts';
import type { FileLine } from '@madakv/storage';
import { checkLine, type CheckedLine } from './batch.line.js';
import type { UploadCache } from './upload.cache.js';

/** Lines that are held at a time, so that their uploads are asked for together; and bytes of them, after which no more are added. */
const WINDOW_LINES = 256;
const WINDOW_BYTES = 4 * 1_024 ** 2;

export interface LineRules {
  /** Names of the models that are known. */
  readonly models: ReadonlySet<string>;
  readonly maxLineBytes: number;
  /** Knows the uploads of each line before it is yielded. */
  readonly uploads: Pick<UploadCache, 'prefetch'>;
}

/** Lines with what came of checking them, in order. Memory holds a window of them. */
export async function* checkedLines(
  lines: AsyncIterable<FileLine>,
  rules: LineRules,
): AsyncGenerator<readonly [FileLine, CheckedLine], void, undefined> {
  let window: [FileLine, CheckedLine][] = [];
  let bytes = 0;
  for await (const line of lines) {
    window.push([line, checkLine(line, rules.models, rules.maxLineBytes)]);
    bytes += line.content?.length ?? 0;
    if (window.length < WINDOW_LINES && bytes < WINDOW_BYTES) continue;
    await prefetch(window, rules);
    yield* window;
    window = [];
    bytes = 0;
  }
  await prefetch(window, rules);
  yield* window;
}

async function prefetch(window: readonly (readonly [FileLine, CheckedLine])[], { uploads }: LineRules): Promise<void> {
  await uploads.prefetch(window.flatMap(([, line]) => (line.state === 'runnable' ? uploadIdsOf(line.body) : [])));
}
