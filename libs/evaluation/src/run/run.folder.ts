import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { EvaluationError } from '../evaluation.error.js';
import { resultSchema, runSchema, type ResultRecord, type RunRecord } from './run.record.js';

const RUN = 'run.json';
const RESULTS = 'results.jsonl';

/**
 * The folder of a run: `run.json` says what is measured, `results.jsonl` holds one answer a line, written when it is known.
 * A run that was stopped in any way, even within a line, goes on behind its last whole line.
 */
export class RunFolder {
  private constructor(
    readonly dir: string,
    readonly run: RunRecord,
    /** Answers there are already. */
    readonly results: readonly ResultRecord[],
  ) {}

  /**
   * Opens a folder for `run`, to go on where it stopped.
   * @param resume false starts anew where something was begun before
   * @param name of the folder, for messages
   * @throws EvaluationError naming the settings that differ from those the folder was begun with
   */
  static begin(dir: string, name: string, run: RunRecord, resume: boolean): RunFolder {
    mkdirSync(dir, { recursive: true });
    if (!resume) for (const file of [RESULTS, RUN]) rmSync(join(dir, file), { force: true });
    if (existsSync(join(dir, RUN))) {
      const before = readRun(dir, name);
      const differing = differences(before.settings, run.settings);
      if (differing.length > 0) {
        throw new EvaluationError('other_settings', `${name} has a run with other settings: ${differing.join('; ')}`);
      }
      return new RunFolder(dir, before, readResults(dir, name, true));
    }
    writeFileSync(join(dir, RUN), `${JSON.stringify(run, null, 2)}\n`);
    return new RunFolder(dir, run, []);
  }

  /** Opens a folder to be reported on. @throws EvaluationError when there is no run in it */
  static open(dir: string, name: string): RunFolder {
    return new RunFolder(dir, readRun(dir, name), readResults(dir, name, false));
  }

  /** Writes results at once. */
  append(results: readonly ResultRecord[]): void {
    appendFileSync(join(this.dir, RESULTS), results.map((result) => `${JSON.stringify(result)}\n`).join(''));
  }
}

function readRun(dir: string, name: string): RunRecord {
  const path = join(dir, RUN);
  if (!existsSync(path))
    throw new EvaluationError('unreadable_run', `${name}: has no ${RUN}; it is not the folder of a run`);
  const parsed = runSchema.safeParse(jsonOf(readFileSync(path, 'utf8')));
  if (!parsed.success) throw new EvaluationError('unreadable_run', `${name}: ${RUN} is damaged or of another version`);
  return parsed.data;
}

/** @param repair cut off the rest of a line that was being written when the run stopped */
function readResults(dir: string, name: string, repair: boolean): ResultRecord[] {
  const path = join(dir, RESULTS);
  if (!existsSync(path)) return [];
  const bytes = readFileSync(path);
  const whole = bytes.lastIndexOf(0x0a) + 1;
  if (repair && whole < bytes.length) truncateSync(path, whole);
  return bytes
    .toString('utf8', 0, whole)
    .split('\n')
    .slice(0, -1)
    .map((line, index) => {
      const parsed = resultSchema.safeParse(jsonOf(line));
      if (!parsed.success) throw new EvaluationError('unreadable_run', `${name}: ${RESULTS}:${index + 1} is no result`);
      return parsed.data;
    });
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Each setting that differs, with both values where they are short. */
function differences(before: RunRecord['settings'], now: RunRecord['settings']): string[] {
  const keys = Object.keys(now) as (keyof RunRecord['settings'])[];
  return keys
    .filter((key) => !isDeepStrictEqual(plain(before[key]), plain(now[key])))
    .map((key) => {
      const [a, b] = [JSON.stringify(before[key]), JSON.stringify(now[key])];
      return a.length + b.length > 120 ? `${key} differ` : `${key} was ${a}, is ${b}`;
    });
}

function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}
