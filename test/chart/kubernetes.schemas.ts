import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { toolPath } from './tools.js';

/**
 * JSON schemas for kubeconform, one a kind, of the API server's own description of its objects and of the definitions of custom ones that
 * KEDA, prometheus-operator and Gateway API bring along. Strict: a key that is not described is refused.
 */

type Schema = Record<string, unknown>;

const SwaggerSchema = z.object({ definitions: z.record(z.string(), z.looseObject({})) });
const KindsSchema = z.array(z.object({ group: z.string(), version: z.string(), kind: z.string() }));
const CrdSchema = z.object({
  spec: z.object({
    group: z.string(),
    names: z.object({ kind: z.string() }),
    versions: z.array(z.object({ name: z.string(), schema: z.object({ openAPIV3Schema: z.looseObject({}) }) })),
  }),
});

/** As kubeconform looks for it: `{{.ResourceKind}}{{.KindSuffix}}.json`. */
export const SCHEMA_FILE = '{{ .ResourceKind }}{{ .KindSuffix }}.json';

function fileOf({ group, version, kind }: { group: string; version: string; kind: string }): string {
  const [start] = group.split('.');
  return `${[kind.toLowerCase(), ...(group === '' ? [] : [start]), version].join('-')}.json`;
}

/** Writes the schemas of these kinds of the API server, and of all custom ones, into a folder. */
export function writeSchemas(folder: string, kinds: ReadonlySet<string>): void {
  mkdirSync(folder, { recursive: true });
  const { definitions } = SwaggerSchema.parse(JSON.parse(readFileSync(toolPath('kubernetes', 'swagger.json'), 'utf8')));
  for (const definition of Object.values(definitions)) {
    const described = KindsSchema.safeParse(definition['x-kubernetes-group-version-kind']);
    const own = described.success ? described.data.find(({ kind }) => kinds.has(kind)) : undefined;
    if (own === undefined) continue;
    writeFileSync(join(folder, fileOf(own)), JSON.stringify(strict(definition, definitions)));
  }
  const folders = [
    toolPath('keda', 'bases'),
    toolPath('prometheus-operator', 'prometheus-operator-crd'),
    toolPath('gateway-api', 'standard'),
  ];
  for (const path of folders.flatMap((each) => readdirSync(each).map((name) => join(each, name)))) {
    const [document] = parseAllDocuments(readFileSync(path, 'utf8'));
    const crd = CrdSchema.safeParse(document.toJS());
    if (!crd.success) continue;
    const { group, names, versions } = crd.data.spec;
    for (const { name, schema } of versions) {
      const file = fileOf({ group, version: name, kind: names.kind });
      writeFileSync(join(folder, file), JSON.stringify(strict(schema.openAPIV3Schema, {})));
    }
  }
}

/** With its references filled in, without keys that it does not describe. */
function strict(schema: Schema, definitions: Readonly<Record<string, Schema>>): Schema {
  const { $ref: reference } = schema;
  if (typeof reference === 'string') {
    const name = reference.slice('#/definitions/'.length);
    // A number is taken for an amount, as the API server does.
    if (name.endsWith('.api.resource.Quantity')) return { type: ['string', 'number'] };
    return strict(definitions[name] ?? {}, definitions);
  }
  if (schema['x-kubernetes-int-or-string'] === true || schema['format'] === 'int-or-string') {
    return { type: ['string', 'integer'] };
  }
  const { properties, items, additionalProperties } = schema;
  const result: Schema = Object.fromEntries(
    Object.entries(schema).filter(([key]) =>
      ['type', 'enum', 'required', 'pattern', 'minimum', 'maximum', 'maxLength', 'minItems', 'maxItems'].includes(key),
    ),
  );
  if (properties !== undefined) {
    const described = Object.entries(properties as Record<string, Schema>);
    result['properties'] = Object.fromEntries(described.map(([key, value]) => [key, strict(value, definitions)]));
    if (additionalProperties === undefined && schema['x-kubernetes-preserve-unknown-fields'] !== true) {
      result['additionalProperties'] = false;
    }
  }
  if (items !== undefined) result['items'] = strict(items as Schema, definitions);
  if (typeof additionalProperties === 'object' && additionalProperties !== null) {
    result['additionalProperties'] = strict(additionalProperties as Schema, definitions);
  }
  return result;
}
