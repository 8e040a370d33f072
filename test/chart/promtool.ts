import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { toolPath } from './tools.js';

/** Series, `name{labels}`, each with its value at every scrape; null where it was not there yet. */
export type ScrapedSeries = ReadonlyMap<string, readonly (number | null)[]>;

/** Between two scrapes, as Prometheus is told. */
const INTERVAL_MINUTES = 1;

/** Runs `promtool`. @returns what it wrote, and whether it was content */
export function promtool(...args: string[]): Promise<{ ok: boolean; output: string }> {
  return new Promise((resolve) => {
    execFile(toolPath('promtool', 'promtool'), args, { maxBuffer: 64 * 1024 ** 2 }, (error, stdout, stderr) => {
      resolve({ ok: error === null, output: stdout + stderr });
    });
  });
}

/**
 * Which of these queries have no data at the last scrape, by Prometheus' own engine: no sample at all, none that is a number, or the query
 * is no PromQL.
 * @throws Error with what promtool wrote where it fails for another reason, as on a series that is none
 */
export async function withoutData(series: ScrapedSeries, queries: readonly string[]): Promise<string[]> {
  const scrapes = Math.max(...[...series.values()].map((values) => values.length));
  // NaN is unlike itself.
  const checkOf = (query: string): string => `count((${query}) == (${query})) > bool 0`;
  const file = {
    evaluation_interval: `${INTERVAL_MINUTES}m`,
    tests: [
      {
        interval: `${INTERVAL_MINUTES}m`,
        input_series: [...series].map(([name, values]) => ({
          series: name,
          values: values.map((value) => value ?? '_').join(' '),
        })),
        promql_expr_test: queries.map((query) => ({
          expr: checkOf(query),
          eval_time: `${(scrapes - 1) * INTERVAL_MINUTES}m`,
          exp_samples: [{ labels: '{}', value: 1 }],
        })),
      },
    ],
  };
  const folder = mkdtempSync(join(tmpdir(), 'madakv-promtool-'));
  try {
    const path = join(folder, 'series.test.yaml');
    writeFileSync(path, stringify(file, { lineWidth: 0 }));
    const { ok, output } = await promtool('test', 'rules', path);
    const missing = queries.filter((query) => output.includes(`expr: ${JSON.stringify(checkOf(query))}, time:`));
    if (ok !== (missing.length === 0)) throw new Error(`promtool: ${output}`);
    return missing;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
