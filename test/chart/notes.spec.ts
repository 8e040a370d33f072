import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Rendered } from './chart.js';
import { CHART, NEEDS_TOOLS, TOOLS_ARE_THERE } from './tools.js';
import type { ChartValues } from './values.schema.js';

/** Helm prints notes only when it installs; this renders them as an object beside the others. */
const AS_OBJECT = `apiVersion: v1
kind: ConfigMap
metadata: { name: notes }
data:
  text: {{ tpl (.Files.Get "NOTES.txt") . | quote }}
`;

describe.skipIf(!TOOLS_ARE_THERE)(`NOTES.txt${NEEDS_TOOLS}`, () => {
  let chart: string;
  beforeAll(() => {
    chart = mkdtempSync(join(tmpdir(), 'madakv-chart-notes-'));
    cpSync(CHART, chart, { recursive: true });
    cpSync(join(CHART, 'templates/NOTES.txt'), join(chart, 'NOTES.txt'));
    writeFileSync(join(chart, 'templates/notes.yaml'), AS_OBJECT);
  });
  afterAll(() => {
    rmSync(chart, { recursive: true, force: true });
  });

  async function notes(values: ChartValues = {}): Promise<{ text: string; rendered: Rendered }> {
    const rendered = await Rendered.of(values, { chart });
    return { text: (rendered.one('ConfigMap', 'notes')['data'] as { text: string }).text, rendered };
  }

  it('says how to ask the first question, of objects that are there', async () => {
    const { text, rendered } = await notes();
    const [, service = ''] = /port-forward service\/(\S+) 8000:80/.exec(text) ?? [];
    expect(rendered.has('Service', service)).toBe(true);
    const [, secret = '', key = ''] = /get secret (\S+) -o jsonpath='\{\.data\.(\w+)\}'/.exec(text) ?? [];
    expect(rendered.one('Secret', secret)['data']).toHaveProperty(key);
    const [, deployment = ''] = /rollout status deployment\/(\S+)/.exec(text) ?? [];
    expect(rendered.has('Deployment', deployment)).toBe(true);
    expect(text).toContain('"model":"madakv-reader"');
    expect(text).toContain('helm test demo -n ns');
  });

  it('warns of what a trial is and production is not, and only then', async () => {
    const trial = (await notes({ storage: { claim: { accessModes: ['ReadWriteOnce'] } } })).text;
    expect(trial).toContain('one pod of this release, for trials');
    expect(trial).toContain('not ReadWriteMany');
    expect(trial).toContain('Neither traces nor metrics go anywhere');
    const site = await notes({
      redis: { mode: 'external', external: { url: 'redis://r' } },
      storage: { type: 's3', s3: { bucket: 'documents' } },
      telemetry: { otlpEndpoint: 'http://collector:4318' },
      gateway: { apiKeys: { existingSecret: { name: 'keys' } } },
      autoscaling: { enabled: true },
    });
    expect(site.text).not.toMatch(/for trials|ReadWriteMany|Neither/);
    expect(site.text).toContain('whose hashes are in Secret keys');
    expect(site.text).toContain('get scaledobject,hpa');
  });
});
