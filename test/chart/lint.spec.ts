import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { helm, KUBERNETES, Rendered } from './chart.js';
import { SCHEMA_FILE, writeSchemas } from './kubernetes.schemas.js';
import { SCENARIOS } from './scenarios.js';
import { NEEDS_TOOLS, TOOLS_ARE_THERE, toolPath, type HelmVersion } from './tools.js';

let schemas: string;
const names = Object.keys(SCENARIOS);

/** Runs kubeconform over a text. */
async function kubeconform(text: string): Promise<{ code: number; output: string }> {
  const program = toolPath('kubeconform', 'kubeconform');
  const args = [
    '-strict',
    '-summary',
    '-kubernetes-version',
    KUBERNETES,
    '-schema-location',
    join(schemas, SCHEMA_FILE),
    '-',
  ];
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (piece) => (output += String(piece)));
  child.stdin.end(text);
  const [code] = (await once(child, 'close')) as [number];
  return { code, output };
}

describe.skipIf(!TOOLS_ARE_THERE)(`the chart${NEEDS_TOOLS}`, () => {
  beforeAll(async () => {
    schemas = mkdtempSync(join(tmpdir(), 'madakv-schemas-'));
    const rendered = await Promise.all(names.map((name) => Rendered.of(SCENARIOS[name])));
    writeSchemas(schemas, new Set(rendered.flatMap(({ objects }) => objects.map(({ kind }) => kind))));
  });
  afterAll(() => {
    rmSync(schemas, { recursive: true, force: true });
  });

  for (const version of [3, 4] as const satisfies HelmVersion[]) {
    it.each(names)(`is linted by Helm ${version} for %s`, async (name) => {
      const report = await helm('lint', SCENARIOS[name] ?? {}, { helm: version });
      expect(report).toContain('1 chart(s) linted, 0 chart(s) failed');
      expect(report).not.toMatch(/WARNING|ERROR/);
    });
  }

  it.each(names)(
    'holds only what the API server, KEDA, prometheus-operator and Gateway API know, for %s',
    async (name) => {
      const { text, objects } = await Rendered.of(SCENARIOS[name]);
      const { code, output } = await kubeconform(text);
      expect({ code, output }).toMatchObject({ code: 0 });
      expect(output).toContain(`${objects.length} resources found`);
      expect(output).toContain('Invalid: 0, Errors: 0, Skipped: 0');
    },
  );

  it('would be refused with a key that nobody knows', async () => {
    const { text } = await Rendered.of();
    const { code, output } = await kubeconform(text.replace('terminationGracePeriodSeconds', 'terminationGracePeriod'));
    expect(code).toBe(1);
    expect(output).toContain('terminationGracePeriod');
  });

  it.each(names)('is the same of Helm 3 and 4 for %s', async (name) => {
    const [three, four] = await Promise.all(
      [3, 4].map((version) => Rendered.of(SCENARIOS[name], { helm: version as HelmVersion })),
    );
    // What is made at random differs.
    const plain = ({ objects }: Rendered): unknown[] =>
      objects.map((object) =>
        object.kind === 'Secret' ? { ...object, data: Object.keys(object['data'] as object) } : object,
      );
    expect(plain(three)).toEqual(plain(four));
  });
});
