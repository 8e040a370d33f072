import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { EvaluationError } from '../evaluation.error.js';
import { ABLATION } from '../variants.js';
import { resultSchema, runSchema, type ResultRecord, type RunRecord } from './run.record.js';

const RUN = 'run.json';
const RESULTS = 'results.jsonl';
/** Read at a time: no string holds the results of a large run. */
const READ_BYTES = 2 ** 22;

/** What of a run is reported on. */
export interface RunPart {
  readonly policies?: readonly string[];
  readonly ratios?: readonly number[];
}

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
    /** Whether this is a part of what was run. */
    readonly isPart = false,
  ) {}

  /**
   * Opens a folder for `run`, to go on where it stopped.
   * @param resume false starts anew where something was begun before
   * @param name of the folder, for messages
   * @throws EvaluationError naming the settings that differ from those the folder was begun with, or for results of nobody knows what
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
    if (existsSync(join(dir, RESULTS))) {
      const text = `${name}: has ${RESULTS} and no ${RUN}, which said how they were measured; take another folder`;
      throw new EvaluationError('unreadable_run', text);
    }
    writeFileSync(join(dir, RUN), `${JSON.stringify(run, null, 2)}\n`);
    return new RunFolder(dir, run, []);
  }

  /** Opens a folder to be reported on. @throws EvaluationError when there is no run in it */
  static open(dir: string, name: string): RunFolder {
    return new RunFolder(dir, readRun(dir, name), readResults(dir, name, false));
  }

  /**
   * The same run as if fewer policies and ratios had been chosen. A full cache has one ratio, which stays.
   * @param policies names of variants, or `ablation`; all without
   * @throws EvaluationError for what was not run, with what was
   */
  part({ policies, ratios }: RunPart): RunFolder {
    const { variants } = this.run.settings;
    const names = variants.map(({ name }) => name);
    const wanted = policies?.flatMap((name) => (name === 'ablation' ? ABLATION.map((one) => one.name) : [name]));
    const measured = variants.flatMap((variant) => (variant.policy === 'full' ? [] : variant.ratios));
    missing('policy', wanted ?? [], names);
    missing('ratio', ratios ?? [], [...new Set(measured)]);
    const kept = variants
      .filter(({ name }) => wanted?.includes(name) ?? true)
      .map((variant) => ({ ...variant, ratios: variant.ratios.filter((ratio) => isKept(variant.policy, ratio)) }));
    const run = { ...this.run, settings: { ...this.run.settings, variants: kept } };
    const cells = new Set(kept.flatMap(({ name, ratios }) => ratios.map((ratio) => `${ratio} ${name}`)));
    const results = this.results.filter(({ policy, ratio }) => cells.has(`${ratio} ${policy}`));
    return new RunFolder(this.dir, run, results, true);

    function isKept(policy: string, ratio: number): boolean {
      return policy === 'full' || (ratios?.includes(ratio) ?? true);
    }
  }

  /** Writes results at once. */
  append(results: readonly ResultRecord[]): void {
    appendFileSync(join(this.dir, RESULTS), results.map((result) => `${JSON.stringify(result)}\n`).join(''));
  }
}

/** @throws EvaluationError where one of them is not there */
function missing(kind: string, wanted: readonly (string | number)[], there: readonly (string | number)[]): void {
  const lost = wanted.filter((one) => !there.includes(one));
  if (lost.length === 0) return;
  const text = `no ${kind} ${lost.join(', ')} in this run; it has ${there.join(', ')}`;
  throw new EvaluationError('not_in_run', text);
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
  const results: ResultRecord[] = [];
  let whole = 0;
  for (const line of linesOf(path)) {
    const parsed = resultSchema.safeParse(jsonOf(line.toString()));
    if (!parsed.success) {
      throw new EvaluationError('unreadable_run', `${name}: ${RESULTS}:${results.length + 1} is no result`);
    }
    results.push(parsed.data);
    whole += line.length + 1;
  }
  if (repair && whole < statSync(path).size) truncateSync(path, whole);
  return results;
}

/** Whole lines of a file of any length, without their ends. */
function* linesOf(path: string): Generator<Buffer> {
  const file = openSync(path, 'r');
  try {
    let rest = Buffer.alloc(0);
    for (;;) {
      const piece = Buffer.alloc(READ_BYTES);
      const length = readSync(file, piece);
      if (length === 0) return;
      let start = 0;
      const bytes = Buffer.concat([rest, piece.subarray(0, length)]);
      for (let end = bytes.indexOf(0x0a); end >= 0; end = bytes.indexOf(0x0a, start)) {
        yield bytes.subarray(start, end);
        start = end + 1;
      }
      rest = bytes.subarray(start);
    }
  } finally {
    closeSync(file);
  }
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
