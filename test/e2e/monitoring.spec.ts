import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '@madakv/testing';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { parse } from 'yaml';
import { Rendered } from '../chart/chart.js';
import { dashboards, filledIn, RuleGroupsSchema, type RuleGroups } from '../chart/monitoring.files.js';
import { readingsOf } from '../chart/promql.js';
import { promtool, withoutData, type ScrapedSeries } from '../chart/promtool.js';
import { collectedName } from '../chart/series.names.js';
import { NEEDS_TOOLS, ROOT, TOOLS_ARE_THERE } from '../chart/tools.js';
import { ask, dataUrl, filePart, PDF, submitBatch } from './requests.js';
import { startSystem, type TestSystem } from './system.fixture.js';

/** Alerts whose readings have no data in a run where all goes well, and why. */
const NO_DATA: Readonly<Record<string, string>> = {
  MadakvRequestsFail: 'counts errors that are the system’s own, of which this run has none',
};

const ALERTS = join(ROOT, 'deploy/grafana/alerts.yaml');

interface Sample {
  readonly name: string;
  /** As they stand between braces. */
  readonly labels: string;
  readonly value: number;
}

/** One service's metrics as its exporter shows them. */
async function scrape(port: number): Promise<Sample[]> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return [...text.matchAll(/^(\w+)(?:\{(.*)\})? (\S+)(?: \d+)?$/gm)].map(([, name = '', labels = '', value]) => ({
    name,
    labels,
    value: Number(value),
  }));
}

describe.skipIf(!TOOLS_ARE_THERE)(`what Prometheus reads of a real run${NEEDS_TOOLS}`, () => {
  let system: TestSystem;
  let ports: Readonly<Record<'gateway' | 'budget' | 'worker', number>>;
  /** Scrapes of all services, in time. */
  const scrapes: { readonly service: string; readonly sample: Sample }[][] = [];

  async function scrapeAll(): Promise<void> {
    const found = await Promise.all(
      Object.entries(ports).map(async ([service, port]) => (await scrape(port)).map((sample) => ({ service, sample }))),
    );
    scrapes.push(found.flat());
  }

  /** Work of every kind: a chat, a batch, a document that cannot be read. */
  async function work(): Promise<void> {
    const client = system.client();
    const question = { type: 'text', text: 'Total?' } as const;
    const body = ask([filePart({ file_data: dataUrl(PDF, 'application/pdf') }), question]);
    await client.chat.completions.create(body);
    const { id } = await submitBatch(client, [body, ask('Date?')]);
    const countsOf = async () => (await client.batches.retrieve(id)).request_counts;
    await vi.waitUntil(async () => (await countsOf())?.completed === 2, { timeout: 120_000, interval: 100 });
    const broken = `data:application/pdf;base64,${Buffer.from('%PDF-1.7 and no more').toString('base64')}`;
    await expect(
      client.chat.completions.create(ask([filePart({ file_data: broken }), question])),
    ).rejects.toMatchObject({ status: 400 });
    // The caller hears of it before it is counted.
    const isCounted = ({ name, labels }: Sample): boolean =>
      /request_duration.*_count$/.test(name) && /error_type="[^"]/.test(labels);
    await vi.waitUntil(async () => (await scrape(ports.worker)).some(isCounted), { timeout: 60_000, interval: 100 });
  }

  beforeAll(async () => {
    const [gateway, budget, worker] = await Promise.all([freePort(), freePort(), freePort()]);
    ports = { gateway, budget, worker };
    const on = (port: number) => ({ OTEL_EXPORTER_PROMETHEUS_PORT: String(port) });
    system = await startSystem({
      workers: 0,
      environment: { OTEL_METRICS_EXPORTER: 'prometheus' },
      own: { gateway: on(gateway), budget: on(budget) },
    });
    await system.addWorker(on(worker));
    // What is counted for the first time has no rate yet.
    for (let round = 0; round < 2; round++) {
      await work();
      await scrapeAll();
    }
  });
  afterAll(() => system.stop());

  /** All samples by series, with what a scrape adds. */
  function seriesOf(rename: (name: string) => string, targetOf: (service: string) => string): ScrapedSeries {
    const series = new Map<string, (number | null)[]>();
    for (const [at, samples] of scrapes.entries()) {
      for (const { service, sample } of samples) {
        const labels = [sample.labels, targetOf(service)].filter((text) => text !== '').join(',');
        const key = `${rename(sample.name)}{${labels}}`;
        const values = series.get(key) ?? scrapes.map(() => null);
        values[at] = sample.value;
        series.set(key, values);
      }
    }
    return series;
  }

  const ofPods = (): ScrapedSeries =>
    seriesOf(
      (name) => name,
      (service) => `namespace="ns",job="ns/demo-madakv",pod="${service}-0",instance="${service}:9464"`,
    );
  const ofCollector = (): ScrapedSeries =>
    seriesOf(collectedName, (service) => `job="madakv/madakv-${service}",instance="${service}"`);

  /** What each panel asks for, and each alert judges. */
  function queriesOf(groups: RuleGroups, namespace: string): string[] {
    const panels = dashboards.flatMap(({ panels }) => panels.flatMap(({ targets }) => targets));
    const rules = groups.flatMap((group) => group.rules).filter(({ alert }) => !(alert in NO_DATA));
    return [...panels.map(({ expr }) => filledIn(expr, namespace)), ...rules.flatMap(({ expr }) => readingsOf(expr))];
  }

  it('every query of the chart has data, from pods', async () => {
    const rendered = await Rendered.of({ monitoring: { rules: { enabled: true } } });
    const { groups } = RuleGroupsSchema.parse(rendered.one('PrometheusRule', 'demo-madakv')['spec']);
    const queries = queriesOf(groups, 'ns');
    expect(queries.length).toBeGreaterThan(40);
    expect(await withoutData(ofPods(), queries)).toEqual([]);
  });

  it('every query of deploy/grafana has data, under the names that a collector gives', async () => {
    const { groups } = RuleGroupsSchema.parse(parse(readFileSync(ALERTS, 'utf8')));
    expect(await withoutData(ofCollector(), queriesOf(groups, '.*'))).toEqual([]);
  });

  it('a query without data would be found, and so would one of numbers that are none, or of no PromQL', async () => {
    const capacity = 'max(madakv_device_capacity)';
    const queries = ['max(', 'madakv_nothing', capacity, `${capacity} * NaN`];
    expect(await withoutData(ofPods(), queries)).toEqual(queries.filter((query) => query !== capacity));
  });

  it('what has no data has none for the reason that is said', async () => {
    const { groups } = RuleGroupsSchema.parse(parse(readFileSync(ALERTS, 'utf8')));
    const rules = groups.flatMap((group) => group.rules).filter(({ alert }) => alert in NO_DATA);
    expect(rules.map(({ alert }) => alert)).toEqual(Object.keys(NO_DATA));
    const queries = rules.flatMap(({ expr }) => readingsOf(expr));
    expect(await withoutData(ofCollector(), queries)).toEqual(queries);
  });

  it('promtool takes the rules, and the configuration of Prometheus', async () => {
    expect(await promtool('check', 'rules', '--lint-fatal', ALERTS)).toMatchObject({ ok: true });
    const config = join(ROOT, 'deploy/grafana/prometheus.yaml');
    expect(await promtool('check', 'config', '--syntax-only', config)).toMatchObject({ ok: true });
  });
});
