import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { z } from 'zod';
import { ROOT } from './tools.js';

export const DashboardSchema = z.looseObject({
  uid: z.string(),
  title: z.string(),
  panels: z.array(
    z.looseObject({
      id: z.int(),
      title: z.string(),
      targets: z.array(z.looseObject({ expr: z.string(), refId: z.string() })),
    }),
  ),
  templating: z.object({ list: z.array(z.looseObject({ name: z.string() })) }),
});

/** Where operators find them; it leads into the chart, which Helm could not package otherwise. */
export const DASHBOARDS_FOLDER = join(ROOT, 'deploy/grafana/dashboards');
export const dashboards = readdirSync(DASHBOARDS_FOLDER).map((file) =>
  DashboardSchema.parse(JSON.parse(readFileSync(join(DASHBOARDS_FOLDER, file), 'utf8'))),
);

/** A panel's query as Grafana sends it, but for the window of its rates: five minutes. */
export function filledIn(query: string, namespace: string): string {
  return query.replaceAll('$__rate_interval', '5m').replaceAll('$namespace', namespace);
}

/** Prometheus' own form of rules, which a PrometheusRule of its operator holds as it is. */
export const RuleGroupsSchema = z.object({
  groups: z.array(
    z.object({
      name: z.string(),
      rules: z.array(
        z.object({
          alert: z.string(),
          expr: z.string(),
          for: z.string().optional(),
          labels: z.object({ severity: z.enum(['warning', 'critical']) }),
          annotations: z.object({ summary: z.string(), runbook_url: z.string() }),
        }),
      ),
    }),
  ),
});
export type RuleGroups = z.infer<typeof RuleGroupsSchema>['groups'];

/** The text of a file of these rules for a Prometheus that sees one system only. */
export function alertsFile(groups: RuleGroups): string {
  const everywhere = groups.map(({ name, rules }) => ({
    name,
    rules: rules.map((rule) => ({
      ...rule,
      expr: rule.expr.replaceAll(', namespace="ns"', '').replaceAll('{namespace="ns"}', ''),
    })),
  }));
  return `# Written by test/chart/monitoring.spec.ts from the chart's rules (helm/madakv/templates/monitoring/rules.yaml): change them there.\n${stringify({ groups: everywhere }, { lineWidth: 0, singleQuote: true })}`;
}
