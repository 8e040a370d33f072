import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { CHART, HELM, type HelmVersion } from './tools.js';
import type { ChartValues } from './values.schema.js';

const run = promisify(execFile);

/** The version of Kubernetes that the chart is rendered for; of the programs' own making there is none. */
export const KUBERNETES = '1.34.0';

const ObjectSchema = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({
    name: z.string(),
    labels: z.record(z.string(), z.string()).default({}),
    annotations: z.record(z.string(), z.string()).default({}),
  }),
});
export type KubernetesObject = z.infer<typeof ObjectSchema>;

export interface RenderOptions {
  readonly helm?: HelmVersion;
  readonly release?: string;
  /** Folder of the chart; the repository's own by default. */
  readonly chart?: string;
}

/** What `helm` does with the chart and these values; those that are left out are the chart's. */
export async function helm(
  command: 'lint' | 'template',
  values: ChartValues,
  { helm: version = 4, release = 'demo', chart = CHART }: RenderOptions = {},
): Promise<string> {
  const named = command === 'template' ? [release] : [];
  const child = run(
    HELM[version],
    [command, ...named, chart, '--namespace', 'ns', '--kube-version', KUBERNETES, '--values', '-'],
    { maxBuffer: 64 * 1024 ** 2 },
  );
  child.child.stdin?.end(JSON.stringify(values));
  return (await child).stdout;
}

/** Why Helm refuses these values. */
export async function refusal(values: ChartValues, options: RenderOptions = {}): Promise<string> {
  return helm('template', values, options).then(
    () => '',
    (error: unknown) => (error as { stderr: string }).stderr,
  );
}

/** The chart's objects. */
export class Rendered {
  private constructor(
    readonly text: string,
    readonly objects: readonly KubernetesObject[],
  ) {}

  static async of(values: ChartValues = {}, options: RenderOptions = {}): Promise<Rendered> {
    const text = await helm('template', values, options);
    const documents = parseAllDocuments(text);
    const objects = documents.map((document): unknown => {
      if (document.errors.length > 0) throw document.errors[0];
      return document.toJS() as unknown;
    });
    return new Rendered(text, z.array(ObjectSchema).parse(objects.filter((object) => object !== null)));
  }

  all(kind: string): KubernetesObject[] {
    return this.objects.filter((object) => object.kind === kind);
  }

  /** The one of this kind and name. @throws Error where there is none */
  one(kind: string, name: string): KubernetesObject {
    const found = this.all(kind).find(({ metadata }) => metadata.name === name);
    if (found === undefined) throw new Error(`no ${kind} ${name} among ${this.all(kind).map(nameOf).join(', ')}`);
    return found;
  }

  has(kind: string, name: string): boolean {
    return this.all(kind).some((object) => nameOf(object) === name);
  }

  /** Every pod that the objects make, with who makes it. */
  pods(): { readonly of: string; readonly pod: Pod }[] {
    return this.objects.flatMap((object) => {
      const of = `${object.kind} ${object.metadata.name}`;
      if (object.kind === 'Pod') return [{ of, pod: PodSchema.parse(object) }];
      if (!['Deployment', 'StatefulSet', 'Job'].includes(object.kind)) return [];
      return [{ of, pod: PodSchema.parse((object['spec'] as { template: unknown }).template) }];
    });
  }

  pod(kind: string, name: string): Pod {
    const found = this.pods().find(({ of }) => of === `${kind} ${name}`);
    if (found === undefined) throw new Error(`no pod of ${kind} ${name}`);
    return found.pod;
  }
}

function nameOf({ metadata }: KubernetesObject): string {
  return metadata.name;
}

const VariableSchema = z.strictObject({
  name: z.string(),
  value: z.string().optional(),
  valueFrom: z
    .union([
      z.strictObject({ secretKeyRef: z.strictObject({ name: z.string(), key: z.string() }) }),
      z.strictObject({ fieldRef: z.strictObject({ fieldPath: z.string() }) }),
      z.strictObject({ resourceFieldRef: z.strictObject({ containerName: z.string(), resource: z.string() }) }),
    ])
    .optional(),
});
export type Variable = z.infer<typeof VariableSchema>;

const ProbeSchema = z.looseObject({
  httpGet: z.strictObject({ path: z.string(), port: z.string() }).optional(),
  exec: z.strictObject({ command: z.array(z.string()) }).optional(),
  timeoutSeconds: z.int().default(1),
  periodSeconds: z.int().default(10),
  failureThreshold: z.int().default(3),
});

const ContainerSchema = z.looseObject({
  name: z.string(),
  image: z.string(),
  command: z.array(z.string()).default([]),
  args: z.array(z.string()).default([]),
  env: z.array(VariableSchema).default([]),
  ports: z.array(z.strictObject({ name: z.string(), containerPort: z.int() })).default([]),
  startupProbe: ProbeSchema.optional(),
  livenessProbe: ProbeSchema.optional(),
  readinessProbe: ProbeSchema.optional(),
  lifecycle: z
    .strictObject({ preStop: z.strictObject({ exec: z.strictObject({ command: z.array(z.string()) }) }) })
    .optional(),
  volumeMounts: z
    .array(z.strictObject({ name: z.string(), mountPath: z.string(), readOnly: z.boolean().default(false) }))
    .default([]),
  securityContext: z.looseObject({}),
  resources: z.looseObject({}).optional(),
});
export type Container = z.infer<typeof ContainerSchema>;

const PodSchema = z.looseObject({
  metadata: z.looseObject({ labels: z.record(z.string(), z.string()) }),
  spec: z.looseObject({
    containers: z.tuple([ContainerSchema]),
    initContainers: z.array(ContainerSchema).default([]),
    terminationGracePeriodSeconds: z.int().default(30),
    automountServiceAccountToken: z.boolean().default(true),
    enableServiceLinks: z.boolean().default(true),
    securityContext: z.looseObject({}).default({}),
    volumes: z.array(z.looseObject({ name: z.string() })).default([]),
  }),
});
export type Pod = z.infer<typeof PodSchema>;

/**
 * A container's environment as its process finds it: a later variable may name an earlier one as `$(NAME)`. What comes from
 * elsewhere (a key of a Secret, a field of the pod, an amount of processors, which is 2 here) is what `from` says, or `from-` and its name.
 */
export function environmentOf({ env }: Container, from: Readonly<Record<string, string>> = {}): Record<string, string> {
  const found: Record<string, string> = {};
  for (const { name, value = '', valueFrom } of env) {
    if (valueFrom === undefined) {
      found[name] = value.replace(/\$\((\w+)\)/g, (whole, earlier: string) => found[earlier] ?? whole);
    } else {
      found[name] =
        'secretKeyRef' in valueFrom
          ? (from[valueFrom.secretKeyRef.key] ?? `from-${valueFrom.secretKeyRef.key}`)
          : 'fieldRef' in valueFrom
            ? (from[valueFrom.fieldRef.fieldPath] ?? `from-${valueFrom.fieldRef.fieldPath}`)
            : '2';
    }
  }
  return found;
}
