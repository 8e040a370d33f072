import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { EvaluationError } from '../evaluation.error.js';
import { RunFolder } from './run.folder.js';
import { runRecord } from './run.fixture.js';
import type { ResultRecord } from './run.record.js';

const run = runRecord({
  sets: { fields: { questions: 3, scorer: 'exact' } },
  variants: [{ name: 'full', policy: 'full', options: {}, ratios: [1] }],
});

const result = (id: string, answer: string): ResultRecord => ({
  ...{ set: 'fields', id, document: id, policy: 'full', ratio: 1, expected: 'Bob', answer, correct: false, score: 0 },
  ...{ finish: 'stop', promptTokens: 9, keptBytes: 1, fullBytes: 1, ms: 1, rows: [9], text: [[0.5]] },
});

const work = mkdtempSync(join(tmpdir(), 'madakv-run-'));
let dir: string;
let folders = 0;
beforeEach(() => {
  dir = join(work, String(++folders));
});
afterAll(() => {
  rmSync(work, { recursive: true, force: true });
});

const answersIn = ({ results }: RunFolder): string[] => results.map(({ id, answer }) => `${id} ${answer?.length ?? 0}`);

describe('RunFolder', () => {
  it('goes on behind the last whole line, however long lines are', () => {
    const results = [result('a', 'é'.repeat(3_000_000)), result('b', 'x'.repeat(5_000_000)), result('c', 'short')];
    RunFolder.begin(dir, 'run', run, true).append(results);
    const file = join(dir, 'results.jsonl');
    const whole = readFileSync(file).length;
    appendFileSync(file, '{"set": "fields", "id');
    expect(answersIn(RunFolder.open(dir, 'run'))).toEqual(['a 3000000', 'b 5000000', 'c 5']);
    expect(answersIn(RunFolder.begin(dir, 'run', run, true))).toEqual(['a 3000000', 'b 5000000', 'c 5']);
    expect(readFileSync(file)).toHaveLength(whole);
    appendFileSync(file, 'nonsense\n');
    expect(() => RunFolder.open(dir, 'run')).toThrow('run: results.jsonl:4 is no result');
  });

  it('does not take results for its own that nobody knows the settings of', () => {
    RunFolder.begin(dir, 'run', run, true).append([result('a', 'Bob')]);
    rmSync(join(dir, 'run.json'));
    expect(() => RunFolder.begin(dir, 'run', run, true)).toThrow(EvaluationError);
    expect(answersIn(RunFolder.begin(dir, 'run', run, false))).toEqual([]);
  });
});
