import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { hashApiKey } from '@madakv/contracts';
import { environmentOf, Rendered, type Pod } from './chart.js';
import { SCENARIOS } from './scenarios.js';
import { NEEDS_TOOLS, TOOLS_ARE_THERE } from './tools.js';

/** Kinds of volumes that the Pod Security Standard "restricted" admits. */
const VOLUMES = [
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'persistentVolumeClaim',
  'projected',
  'secret',
];

/** What the Pod Security Standard "restricted" has against a pod, and what is asked here beyond it. */
function problemsOf({ spec }: Pod): string[] {
  const problems: string[] = [];
  for (const host of ['hostNetwork', 'hostPID', 'hostIPC'] as const) if (spec[host] !== undefined) problems.push(host);
  const { securityContext: own } = spec;
  if (own['runAsNonRoot'] !== true) problems.push('may run as root');
  if (own['runAsUser'] === 0) problems.push('runs as root');
  if ((own['seccompProfile'] as { type?: string } | undefined)?.type !== 'RuntimeDefault') problems.push('no seccomp');
  for (const { name, ...kinds } of spec.volumes) {
    for (const kind of Object.keys(kinds)) if (!VOLUMES.includes(kind)) problems.push(`${name} is ${kind}`);
  }
  if (spec.automountServiceAccountToken) problems.push('mounts a token');
  if (spec.enableServiceLinks) problems.push('has variables of services');
  for (const { name, securityContext, ports, resources } of [...spec.initContainers, ...spec.containers]) {
    const has = (key: string, value: unknown): void => {
      if (JSON.stringify(securityContext[key]) !== JSON.stringify(value)) problems.push(`${name}: ${key}`);
    };
    has('allowPrivilegeEscalation', false);
    has('readOnlyRootFilesystem', true);
    has('capabilities', { drop: ['ALL'] });
    if (securityContext['privileged'] !== undefined) problems.push(`${name}: privileged`);
    if (JSON.stringify(ports).includes('hostPort')) problems.push(`${name}: hostPort`);
    if (resources === undefined) problems.push(`${name}: no resources`);
  }
  return problems;
}

const SecretSchema = z.looseObject({ data: z.record(z.string(), z.string()) });
const decoded = (text: string | undefined): string => Buffer.from(text ?? '', 'base64').toString();

describe.skipIf(!TOOLS_ARE_THERE)(`security${NEEDS_TOOLS}`, () => {
  it.each(Object.keys(SCENARIOS))(
    'every pod is admitted under "restricted", and writes nowhere but to volumes: %s',
    async (name) => {
      const pods = (await Rendered.of(SCENARIOS[name])).pods();
      expect(pods.length).toBeGreaterThan(3);
      expect(pods.map(({ of, pod }) => ({ of, problems: problemsOf(pod) }))).toEqual(
        pods.map(({ of }) => ({ of, problems: [] })),
      );
    },
  );

  it('no secret stands in an argument, a variable or a ConfigMap', async () => {
    const rendered = await Rendered.of({ autoscaling: { enabled: true } });
    const secrets = rendered
      .all('Secret')
      .flatMap((object) => Object.entries(SecretSchema.parse(object).data))
      .filter(([key]) => key !== 'keys.json')
      .map(([, value]) => value);
    expect(secrets).toHaveLength(3);
    const others = JSON.stringify(rendered.objects.filter(({ kind }) => kind !== 'Secret'));
    for (const secret of secrets) {
      expect(decoded(secret)).toMatch(/^[A-Za-z0-9]{48}$/);
      expect(others).not.toContain(secret);
      expect(others).not.toContain(decoded(secret));
    }
    for (const { pod } of rendered.pods()) {
      for (const { args, command } of [...pod.spec.containers, ...pod.spec.initContainers]) {
        expect(JSON.stringify([args, command])).not.toMatch(/\$\([A-Z_]*(PASSWORD|TOKEN|KEY)/);
      }
    }
  });

  it('a key is made whose hash the gateway knows, and only that is mounted', async () => {
    const rendered = await Rendered.of({ gateway: { apiKeys: { tenant: 'acme' } } });
    const secret = rendered.one('Secret', 'demo-madakv-api-key');
    expect(secret.metadata.annotations).toEqual({ 'helm.sh/resource-policy': 'keep' });
    const { data } = SecretSchema.parse(secret);
    const records: unknown = JSON.parse(decoded(data['keys.json']));
    expect(records).toEqual([{ tenant: 'acme', name: 'demo', sha256: hashApiKey(decoded(data['key'])) }]);
    const pod = rendered.pod('Deployment', 'demo-madakv-gateway');
    const volume = { secretName: 'demo-madakv-api-key', items: [{ key: 'keys.json', path: 'keys.json' }] };
    expect(pod.spec.volumes).toContainEqual({ name: 'api-keys', secret: volume });
    const [container] = pod.spec.containers;
    expect(container.volumeMounts).toContainEqual({
      name: 'api-keys',
      mountPath: '/etc/madakv/api-keys',
      readOnly: true,
    });
    expect(environmentOf(container)['MADAKV_API_KEYS_FILE']).toBe('/etc/madakv/api-keys/keys.json');
  });

  it('secrets that are there are used, and none is made', async () => {
    const rendered = await Rendered.of({
      autoscaling: { enabled: true },
      redis: { bundled: { passwordSecret: { name: 'r', key: 'pw' } } },
      gateway: { apiKeys: { existingSecret: { name: 'keys', key: 'hashes' } } },
      budget: { demandToken: { existingSecret: { name: 'demand', key: 'bearer' } } },
    });
    expect(rendered.all('Secret')).toEqual([]);
    expect(rendered.all('Pod')).toEqual([]);
    const { env } = rendered.pod('StatefulSet', 'demo-madakv-redis').spec.containers[0];
    expect(env).toContainEqual({ name: 'REDIS_PASSWORD', valueFrom: { secretKeyRef: { name: 'r', key: 'pw' } } });
    expect(rendered.one('TriggerAuthentication', 'demo-madakv-redis')).toMatchObject({
      spec: { secretTargetRef: [{ parameter: 'password', name: 'r', key: 'pw' }] },
    });
    expect(rendered.one('TriggerAuthentication', 'demo-madakv-demand')).toMatchObject({
      spec: { secretTargetRef: [{ parameter: 'token', name: 'demand', key: 'bearer' }] },
    });
    expect(JSON.stringify(rendered.pod('Deployment', 'demo-madakv-gateway').spec.volumes)).toContain('"key":"hashes"');
  });
});
