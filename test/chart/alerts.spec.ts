import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { RuleGroupsSchema } from './monitoring.files.js';
import { promtool } from './promtool.js';
import { NEEDS_TOOLS, ROOT, TOOLS_ARE_THERE } from './tools.js';

const ALERTS = join(ROOT, 'deploy/grafana/alerts.yaml');
const { groups } = RuleGroupsSchema.parse(parse(readFileSync(ALERTS, 'utf8')));
const names = groups.flatMap(({ rules }) => rules.map(({ alert }) => alert));

/** An hour of values, a minute apart: those of gauges, or of counters that grow by as much every minute. */
const HOUR = 60;
const stays = (value: number): string => `${value}x${HOUR}`;
const grows = (by: number, from = 0): string => `${from}+${by}x${HOUR}`;
const GIB = 1024 ** 3;

/** A histogram with one observation a minute that is above the bound `above` and within `within`. */
function histogram(name: string, labels: string, above: number, within: number): Record<string, string> {
  const at = (bound: string): string => `${name}_bucket{${labels === '' ? '' : `${labels},`}le="${bound}"}`;
  return { [at(String(above))]: stays(0), [at(String(within))]: grows(1), [at('+Inf')]: grows(1) };
}
const MODEL = 'gen_ai_request_model="m"';
const duration = (error = ''): string => `gen_ai_server_request_duration_count{${MODEL}${error}}`;

/** A system that is well. */
const WELL: Readonly<Record<string, string>> = {
  madakv_demand_queued: stays(GIB),
  'madakv_device_capacity{madakv_device_id="d"}': stays(8 * GIB),
  madakv_lease_expired_total: stays(0),
  [duration()]: grows(100),
  [duration(',error_type="timeout"')]: grows(1),
  [duration(',error_type="invalid_document"')]: grows(50),
  'nodejs_eventloop_delay_p99{job="w",instance="i"}': stays(0.02),
  ...histogram('madakv_lease_wait', MODEL, 60, 300),
  ...histogram('madakv_queue_wait', `madakv_queue_kind="generate",${MODEL}`, 300, 900),
  ...histogram('madakv_lease_operation_duration', '', 0.25, 0.5),
};

/** What is different when an alert should fire; undefined takes a series away. */
const ILL: Readonly<Record<string, Readonly<Record<string, string | undefined>>>> = {
  MadakvNoWorkerForDemand: { 'madakv_device_capacity{madakv_device_id="d"}': undefined },
  MadakvLeaseWaitLong: histogram('madakv_lease_wait', MODEL, 300, 900),
  MadakvQueueWaitLong: histogram('madakv_queue_wait', `madakv_queue_kind="generate",${MODEL}`, 900, 3600),
  // The first lease ever to expire, a few minutes before the end.
  MadakvLeasesExpire: { madakv_lease_expired_total: `0x55 1x5` },
  MadakvRequestsFail: { [duration(',error_type="timeout"')]: grows(10) },
  MadakvBudgetSlow: histogram('madakv_lease_operation_duration', '', 0.5, 1),
  MadakvBudgetAbsent: { madakv_demand_queued: undefined },
  MadakvEventLoopLate: { 'nodejs_eventloop_delay_p99{job="w",instance="i"}': stays(0.7) },
};

describe.skipIf(!TOOLS_ARE_THERE)(`alerts on an hour of a system${NEEDS_TOOLS}`, () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'madakv-alerts-'));
  });
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  /** Which alerts fire at the end of an hour of these series. */
  async function firing(series: Readonly<Record<string, string | undefined>>): Promise<string[]> {
    const input = Object.entries(series).flatMap(([name, values]) =>
      values === undefined ? [] : [{ series: name, values }],
    );
    const query = (alert: string): string => `count(ALERTS{alertname="${alert}",alertstate="firing"}) > bool 0`;
    const file = {
      rule_files: [ALERTS],
      evaluation_interval: '1m',
      tests: [
        {
          interval: '1m',
          input_series: input,
          // Expected of none, so that promtool names those that fire.
          promql_expr_test: names.map((alert) => ({ expr: query(alert), eval_time: `${HOUR}m`, exp_samples: [] })),
        },
      ],
    };
    const path = join(folder, 'alerts.test.yaml');
    writeFileSync(path, stringify(file, { lineWidth: 0 }));
    const { ok, output } = await promtool('test', 'rules', path);
    const found = names.filter((alert) => output.includes(`expr: ${JSON.stringify(query(alert))}, time:`));
    if (ok !== (found.length === 0)) throw new Error(`promtool: ${output}`);
    return found;
  }

  it('none fires when all is well', async () => {
    expect(await firing(WELL)).toEqual([]);
  });

  it('has a case for each alert', () => {
    expect(Object.keys(ILL)).toEqual(names);
  });

  it.each(Object.entries(ILL))('%s fires alone when it should', async (alert, change) => {
    expect(await firing({ ...WELL, ...change })).toEqual([alert]);
  });
});
