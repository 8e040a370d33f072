import { readFileSync } from 'node:fs';
import { ATTRIBUTES, METRICS, SPAN_EVENTS, SPANS, type AttributeId } from '@madakv/contracts';
import * as stable from '@opentelemetry/semantic-conventions';
import * as incubating from '@opentelemetry/semantic-conventions/incubating';
import { describe, expect, it } from 'vitest';

const STABLE: ReadonlySet<unknown> = new Set(Object.values(stable));
const INCUBATING: ReadonlySet<unknown> = new Set(Object.values(incubating));
/** In the GenAI conventions since they have a repository of their own; not in the npm package. */
const NEWER = ['gen_ai.usage.text.input_tokens', 'gen_ai.usage.image.input_tokens'];
const IDS: readonly AttributeId[] = ['jobId', 'requestId', 'batchId', 'batchLine', 'leaseId', 'responseId'];

describe('names', () => {
  it.each([
    ['attributes', Object.values(ATTRIBUTES)],
    ['spans', Object.values(SPANS).map(({ name }) => name)],
    ['events', Object.values(SPAN_EVENTS).map(({ name }) => name)],
    ['metrics', Object.values(METRICS).map(({ name }) => name)],
  ])('of %s are unique', (_what, names: readonly string[]) => {
    expect(new Set(names).size).toBe(names.length);
  });

  it('outside madakv.* are those of the semantic conventions, and stable ones but for gen_ai.* and nodejs.*', () => {
    const names = [...Object.values(ATTRIBUTES), ...Object.values(METRICS).map(({ name }) => name)];
    const others = names.filter((name) => !name.startsWith('madakv.') && !NEWER.includes(name));
    expect(others.length).toBeGreaterThan(20);
    expect(others.filter((name) => !(/^(gen_ai|nodejs)\./.test(name) ? INCUBATING : STABLE).has(name))).toEqual([]);
  });

  it('ids are in no metric, and every histogram has rising buckets', () => {
    for (const metric of Object.values(METRICS)) {
      expect(IDS.filter((id) => (metric.attributes as readonly AttributeId[]).includes(id))).toEqual([]);
      if (metric.kind !== 'histogram') continue;
      const buckets: readonly number[] = metric.buckets;
      expect(buckets).toEqual([...new Set(buckets)].sort((a, b) => a - b));
    }
  });
});

describe('docs/telemetry.md', () => {
  const page = readFileSync(new URL('../../../docs/telemetry.md', import.meta.url), 'utf8');
  const code = (text: string): string => `\`${text}\``;
  const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
    [head, head.map(() => '-'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
  // The formatter pads columns.
  const plain = (text: string): string => text.trim().replaceAll(/ +/g, ' ').replaceAll(/-+/g, '-');

  it.each([
    [
      'spans',
      table(
        ['Span', 'Kind', 'Process', 'Meaning'],
        Object.values(SPANS).map(({ name, kind, process, about }) => [code(name), kind, process, about]),
      ),
    ],
    [
      'events',
      table(
        ['Event', 'In', 'Meaning'],
        Object.values(SPAN_EVENTS).map(({ name, span, about }) => [code(name), code(SPANS[span].name), about]),
      ),
    ],
    [
      'metrics',
      table(
        ['Metric', 'Instrument', 'Unit', 'Attributes', 'Meaning'],
        Object.values(METRICS).map(({ name, kind, unit, attributes, about }) => [
          code(name),
          kind,
          code(unit),
          attributes.map((id) => code(ATTRIBUTES[id])).join(', '),
          about,
        ]),
      ),
    ],
    ['attributes', Object.values(ATTRIBUTES).map(code).join(', ')],
  ])('has the %s of libs/contracts', (section, expected) => {
    const [, found = ''] = new RegExp(`<!-- ${section} -->\n([^]*?)<!-- /${section} -->`).exec(page) ?? [];
    expect(plain(found.replaceAll(/(?<!\|)\n(?!\|)/g, ' '))).toBe(plain(expected));
  });
});
