import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { metrics } from '@opentelemetry/api';
import { ATTRIBUTES, METRICS } from '@madakv/contracts';
import { startTelemetry } from '@madakv/telemetry';
import { freePort } from '@madakv/testing';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Rendered } from './chart.js';
import { alertsFile, DashboardSchema, dashboards, filledIn, RuleGroupsSchema } from './monitoring.files.js';
import { readingsOf, seriesOf } from './promql.js';
import { collectedName } from './series.names.js';
import { NEEDS_TOOLS, ROOT, TOOLS_ARE_THERE } from './tools.js';

/** What Prometheus adds to every series of a pod. */
const OF_PROMETHEUS = ['namespace', 'pod', 'job', 'instance', 'container', 'le'];

/** Series as they are scraped of a process that has recorded every metric, with their labels. */
let scraped: Map<string, Set<string>>;

beforeAll(async () => {
  const port = await freePort();
  vi.stubEnv('OTEL_METRICS_EXPORTER', 'prometheus').stubEnv('OTEL_EXPORTER_PROMETHEUS_PORT', String(port));
  const telemetry = await startTelemetry({ serviceName: 'test', serviceVersion: '0', instanceId: 'i' });
  const meter = metrics.getMeter('test');
  for (const { name, kind, unit, attributes } of Object.values(METRICS)) {
    const labels = Object.fromEntries(attributes.map((id) => [ATTRIBUTES[id], 'x']));
    if (kind === 'histogram') meter.createHistogram(name, { unit }).record(1, labels);
    else if (kind === 'counter') meter.createCounter(name, { unit }).add(1, labels);
    else meter.createGauge(name, { unit }).record(1, labels);
  }
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  await telemetry.shutdown();
  scraped = new Map();
  for (const [, name = '', labels = ''] of text.matchAll(/^(\w+)\{([^}]*)\}/gm)) {
    const known = scraped.get(name) ?? new Set<string>();
    for (const [, label = ''] of labels.matchAll(/(\w+)="/g)) known.add(label);
    scraped.set(name, known);
  }
});
afterAll(() => vi.unstubAllEnvs());

/** What a query reads that no process shows, or that a collector would call by another name. */
function unknownIn(query: string): string[] {
  return seriesOf(query).flatMap(({ metric, labels }) => {
    const found = [...scraped.keys()].filter((series) => metric.test(series));
    if (found.length !== 1) return [metric.source];
    const [name] = found;
    if (!metric.test(collectedName(name))) return [`${metric.source}: ${collectedName(name)}`];
    const known = scraped.get(name) ?? new Set();
    const unknown = [...labels].filter((label) => !known.has(label) && !OF_PROMETHEUS.includes(label));
    return unknown.map((label) => `${name}{${label}}`);
  });
}

describe('dashboards', () => {
  it.each(dashboards.flatMap(({ title, panels }) => panels.map((panel) => ({ title, panel }))))(
    'of $title ask for what processes show: $panel.title',
    ({ panel }) => {
      expect(panel.targets.length).toBeGreaterThan(0);
      for (const { expr } of panel.targets) {
        const filled = filledIn(expr, 'ns');
        expect(filled).not.toContain('$');
        expect(unknownIn(filled)).toEqual([]);
      }
    },
  );

  it('have every metric on some panel, panels and dashboards with ids of their own', () => {
    const all = dashboards
      .flatMap(({ panels }) => panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)))
      .join('\n');
    const missing = [...scraped.keys()].filter((series) => !all.includes(series.replace(/_(bucket|sum|count)$/, '')));
    // A lease's ratio is that of its request, and info about the process is no figure.
    expect(
      missing.filter((series) => !/^(target_info|otel_scope_info|madakv_lease_cache_ratio_\w+)$/.test(series)),
    ).toEqual([]);
    for (const { panels } of dashboards) expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    expect(new Set(dashboards.map(({ uid }) => uid)).size).toBe(dashboards.length);
  });

  it('a query of a series that nobody shows would be found', () => {
    expect(unknownIn('sum by (nothing) (madakv_lease_expired_total)')).toEqual(['madakv_lease_expired_total{nothing}']);
    expect(unknownIn('rate(madakv_lease_expired[5m])')).toEqual(['^(?:madakv_lease_expired)$']);
    expect(unknownIn('madakv_demand_queued')).toEqual(['^(?:madakv_demand_queued)$: madakv_demand_queued_bytes']);
    expect(() => unknownIn('sum(')).toThrow('not PromQL');
  });
});

describe.skipIf(!TOOLS_ARE_THERE)(`alerts${NEEDS_TOOLS}`, () => {
  it('ask for what processes show, and lead to a chapter of the runbook', async () => {
    const rendered = await Rendered.of({
      monitoring: {
        rules: { enabled: true, runbookUrl: 'https://example.com/ops', labels: { release: 'p' }, leaseWaitSeconds: 77 },
      },
    });
    const object = rendered.one('PrometheusRule', 'demo-madakv');
    expect(object.metadata.labels).toMatchObject({ release: 'p' });
    const rules = RuleGroupsSchema.parse(object['spec']).groups.flatMap((group) => group.rules);
    expect(rules.length).toBeGreaterThan(5);
    const runbook = readFileSync(join(ROOT, 'docs/operations.md'), 'utf8');
    const chapters = [...runbook.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
      title
        .toLowerCase()
        .replace(/[^a-z0-9 -]/g, '')
        .replaceAll(' ', '-'),
    );
    for (const { expr, annotations } of rules) {
      expect(unknownIn(expr)).toEqual([]);
      expect(expr).toContain('namespace="ns"');
      const [url, anchor] = annotations.runbook_url.split('#');
      expect(url).toBe('https://example.com/ops');
      expect(chapters).toContain(anchor);
    }
    expect(rules.map(({ expr }) => expr).join('\n')).toContain('> 77');
    const anchors = rules.map(({ annotations }) => annotations.runbook_url.split('#')[1]);
    expect(chapters.filter((chapter) => chapter.startsWith('alert-'))).toEqual(anchors);
  });

  it('are the same for a Prometheus without Kubernetes: deploy/grafana/alerts.yaml is the chart’s, of any namespace', async () => {
    const rendered = await Rendered.of({ monitoring: { rules: { enabled: true } } });
    const { groups } = RuleGroupsSchema.parse(rendered.one('PrometheusRule', 'demo-madakv')['spec']);
    expect(alertsFile(groups)).not.toContain('namespace');
    await expect(alertsFile(groups)).toMatchFileSnapshot(join(ROOT, 'deploy/grafana/alerts.yaml'));
  });
});

describe('readings of an alert', () => {
  it.each([
    ['max(a) > 0 unless max(b) > 0', ['max(a)', 'max(b)']],
    ['sum(rate(a[5m])) / sum(rate(b[5m])) > 0.05', ['sum(rate(a[5m])) / sum(rate(b[5m]))']],
    ['absent({__name__=~"a(_b)?"})', ['{__name__=~"a(_b)?"}']],
    ['max by (le) (a)', ['max by (le) (a)']],
  ])('%s', (query, readings) => {
    expect(readingsOf(query)).toEqual(readings);
  });
});

describe.skipIf(!TOOLS_ARE_THERE)(`monitoring${NEEDS_TOOLS}`, () => {
  it('every process shows its metrics where the PodMonitor looks', async () => {
    const rendered = await Rendered.of({
      monitoring: { podMonitor: { enabled: true } },
      telemetry: { prometheus: { port: 9999 } },
    });
    expect(rendered.one('PodMonitor', 'demo-madakv')).toMatchObject({
      spec: { podMetricsEndpoints: [{ port: 'metrics', path: '/metrics', interval: '30s' }] },
    });
    for (const { of, pod } of rendered.pods().filter((each) => each.of.startsWith('Deployment'))) {
      const [{ ports, env }] = pod.spec.containers;
      expect({ of, ports }).toMatchObject({
        ports: expect.arrayContaining([{ name: 'metrics', containerPort: 9999 }]) as unknown,
      });
      expect(env).toContainEqual({ name: 'OTEL_EXPORTER_PROMETHEUS_PORT', value: '9999' });
    }
  });

  it('dashboards come as ConfigMaps that Grafana finds', async () => {
    const rendered = await Rendered.of({
      monitoring: { dashboards: { enabled: true, annotations: { folder: 'madakv' } } },
    });
    const maps = rendered.all('ConfigMap').filter(({ metadata }) => metadata.labels['grafana_dashboard'] === '1');
    const found = maps.flatMap((object) => Object.values(object['data'] as Record<string, string>));
    expect(found.map((text) => DashboardSchema.parse(JSON.parse(text)))).toEqual(dashboards);
    for (const { metadata } of maps) expect(metadata.annotations).toEqual({ folder: 'madakv' });
  });

  it('nothing is sent or shown unless asked for', async () => {
    expect((await Rendered.of()).text).not.toMatch(/OTEL_|metrics/);
  });
});
