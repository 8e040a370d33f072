import { describe, expect, it } from 'vitest';
import { environmentOf, Rendered } from './chart.js';
import { NEEDS_TOOLS, TOOLS_ARE_THERE } from './tools.js';
import type { ChartValues } from './values.schema.js';

type Pool = NonNullable<ChartValues['pools']>[number];
const generate = (more: Partial<Pool> = {}): Pool => ({ name: 'a', roles: ['generate'], model: 'm', ...more });
const fetch = { repository: 'org/model', revision: 'v1' };

describe.skipIf(!TOOLS_ARE_THERE)(`pools${NEEDS_TOOLS}`, () => {
  it('have what they say, beside what all have', async () => {
    const rendered = await Rendered.of({
      models: { m: { image: { path: '/app/m' } } },
      poolDefaults: { quant: '8', resources: { limits: { memory: '4Gi' } }, tolerations: [{ key: 'all' }] },
      pools: [
        generate({
          resources: { limits: { 'nvidia.com/gpu': 1 } },
          tolerations: [{ key: 'gpu' }],
          runtimeClassName: 'nvidia',
        }),
        generate({ name: 'b', quant: '4' }),
      ],
    });
    const [a, b] = ['a', 'b'].map((name) => rendered.pod('Deployment', `demo-madakv-${name}`).spec);
    expect(a.containers[0].resources).toEqual({ limits: { memory: '4Gi', 'nvidia.com/gpu': 1 } });
    expect(a['tolerations']).toEqual([{ key: 'gpu' }]);
    expect(a['runtimeClassName']).toBe('nvidia');
    expect(environmentOf(a.containers[0])).toMatchObject({
      MADAKV_QUANT: '8',
      MADAKV_MODEL: '/app/m',
      MADAKV_MODEL_ID: 'm',
    });
    expect(b.containers[0].resources).toEqual({ limits: { memory: '4Gi' } });
    expect(b['tolerations']).toEqual([{ key: 'all' }]);
    expect(b).not.toHaveProperty('runtimeClassName');
    expect(environmentOf(b.containers[0])['MADAKV_QUANT']).toBe('4');
  });

  it('of different names choose different pods', async () => {
    const rendered = await Rendered.of({
      models: { m: { image: { path: '/m' } } },
      pools: [generate(), generate({ name: 'b' })],
    });
    const chosen = rendered
      .all('Deployment')
      .map((object) => JSON.stringify((object['spec'] as { selector: unknown }).selector));
    expect(chosen).toHaveLength(4);
    expect(new Set(chosen).size).toBe(4);
    const pools = rendered.pods().flatMap(({ pod }) => pod.metadata.labels['madakv.dev/pool'] ?? []);
    expect(pools).toEqual(['a', 'b']);
    // A new version of the chart alone starts no pod anew.
    const lasting = rendered.pods().filter(({ of }) => !of.startsWith('Pod '));
    expect(JSON.stringify(lasting.map(({ pod }) => pod.metadata))).not.toContain('helm.sh/chart');
  });

  it('keep names within what Kubernetes takes', async () => {
    const release = 'a-release-whose-name-is-as-long-as-helm-lets-it-be-53';
    const rendered = await Rendered.of(
      { pools: [{ name: 'a-pool-of-20-letters', roles: ['batch'] }], autoscaling: { enabled: true } },
      { release },
    );
    for (const { kind, metadata } of rendered.objects) {
      const limit = kind === 'Deployment' || kind === 'Service' || kind === 'StatefulSet' ? 63 : 253;
      expect({ name: metadata.name, short: metadata.name.length <= limit }).toMatchObject({ short: true });
      expect(metadata.name).toMatch(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/);
      for (const label of Object.values(metadata.labels)) expect(label.length).toBeLessThanOrEqual(63);
    }
  });

  it('a model of a claim is mounted read-only, and waited for where it has a marker', async () => {
    const claim = { name: 'weights', path: 'qwen/v2' };
    const rendered = await Rendered.of({
      models: { m: { claim }, marked: { claim: { ...claim, marker: 'READY' } } },
      pools: [generate(), generate({ name: 'b', model: 'marked' })],
    });
    const { initContainers, containers, volumes } = rendered.pod('Deployment', 'demo-madakv-a').spec;
    expect(initContainers).toEqual([]);
    expect(environmentOf(containers[0])['MADAKV_MODEL']).toBe('/models/qwen/v2');
    expect(containers[0].volumeMounts).toContainEqual({ name: 'models', mountPath: '/models', readOnly: true });
    expect(volumes).toContainEqual({ name: 'models', persistentVolumeClaim: { claimName: 'weights', readOnly: true } });
    const [waiting] = rendered.pod('Deployment', 'demo-madakv-b').spec.initContainers;
    expect(waiting.command.at(-1)).toBe('/models/qwen/v2/READY');
    expect(rendered.all('Job')).toEqual([]);
  });

  it('a model is fetched once, by a job that writes what workers wait for', async () => {
    const rendered = await Rendered.of({
      models: { m: { fetch } },
      modelStore: { tokenSecret: { name: 'hub' } },
      pools: [generate(), { name: 'p', roles: ['prepare'], model: 'm' }],
    });
    const job = rendered.all('Job').at(0);
    if (job === undefined) throw new Error('no job');
    const fetching = rendered.pod('Job', job.metadata.name).spec;
    const environment = environmentOf(fetching.containers[0], { token: 'secret' });
    expect(environment).toMatchObject({
      REPOSITORY: 'org/model',
      REVISION: 'v1',
      HUB_TOKEN: 'secret',
      HUB: 'https://huggingface.co',
    });
    for (const name of ['a', 'p']) {
      const { containers, initContainers, volumes } = rendered.pod('Deployment', `demo-madakv-${name}`).spec;
      expect(environmentOf(containers[0])['MADAKV_MODEL']).toBe(environment['FOLDER']);
      expect(initContainers[0]?.command.at(-1)).toBe(environment['MARKER']);
      expect(volumes).toContainEqual(
        expect.objectContaining({ persistentVolumeClaim: { claimName: 'demo-madakv-models', readOnly: true } }),
      );
    }
    expect(fetching.volumes).toContainEqual({
      name: 'models',
      persistentVolumeClaim: { claimName: 'demo-madakv-models' },
    });
    expect(rendered.one('PersistentVolumeClaim', 'demo-madakv-models').metadata.annotations).toEqual({
      'helm.sh/resource-policy': 'keep',
    });
  });

  it('another revision is another job and another folder, so that workers change one by one', async () => {
    const of = async (revision: string): Promise<[string | undefined, string | undefined]> => {
      const rendered = await Rendered.of({ models: { m: { fetch: { ...fetch, revision } } }, pools: [generate()] });
      const [container] = rendered.pod('Deployment', 'demo-madakv-a').spec.containers;
      return [rendered.all('Job')[0]?.metadata.name, environmentOf(container)['MADAKV_MODEL']];
    };
    const [one, same, other] = [await of('v1'), await of('v1'), await of('v2')];
    expect(same).toEqual(one);
    expect(other[0]).not.toBe(one[0]);
    expect([one[1], other[1]]).toEqual(['/models/m/v1', '/models/m/v2']);
  });

  it('anything else in the pod that fetches is another job, as a pod of a job never changes', async () => {
    const of = async (more: ChartValues) => {
      const values = { models: { m: { fetch } }, pools: [generate()], ...more };
      const [job] = (await Rendered.of(values)).all('Job');
      return job.metadata.name;
    };
    const names = await Promise.all(
      [
        {},
        { commonLabels: { team: 'a' } },
        { podAnnotations: { a: 'b' } },
        { imagePullSecrets: [{ name: 'other' }] },
        { image: { tag: '9.9.9' } },
        { podSecurityContext: { runAsUser: 1_234 } },
      ].map(of),
    );
    expect(new Set(names).size).toBe(names.length);
    expect(await of({ gateway: { replicas: 5 } })).toBe(names[0]);
  });

  it('a strategy other than the default has nothing of it', async () => {
    const strategyOf = async (strategy: Record<string, unknown>) => {
      const rendered = await Rendered.of({ models: { m: { fetch } }, pools: [{ ...generate(), strategy }] });
      return rendered.one('Deployment', 'demo-madakv-a')['spec'] as { strategy: unknown };
    };
    expect((await strategyOf({ type: 'Recreate' })).strategy).toEqual({ type: 'Recreate' });
    expect((await strategyOf({ rollingUpdate: { maxSurge: 1 } })).strategy).toEqual({
      type: 'RollingUpdate',
      rollingUpdate: { maxSurge: 1, maxUnavailable: 1 },
    });
  });

  it('disruption budgets never keep the last pod of anything from being drained', async () => {
    const rendered = await Rendered.of({
      gateway: { replicas: 1 },
      budget: { replicas: 3 },
      poolDefaults: { podDisruptionBudget: { enabled: true, maxUnavailable: 1 } },
    });
    const budgets = rendered.all('PodDisruptionBudget');
    expect(budgets.map(({ metadata }) => metadata.name).sort()).toEqual(
      ['batch', 'budget', 'generate', 'prepare'].map((name) => `demo-madakv-${name}`),
    );
    for (const budget of budgets) {
      expect(budget['spec']).toMatchObject({ maxUnavailable: 1, unhealthyPodEvictionPolicy: 'AlwaysAllow' });
      expect(budget['spec']).not.toHaveProperty('minAvailable');
    }
    const scaled = await Rendered.of({
      gateway: { replicas: 1, autoscaling: { enabled: true, minReplicas: 2 } },
      budget: { replicas: 1 },
    });
    expect(scaled.all('PodDisruptionBudget').map(({ metadata }) => metadata.name)).toEqual(['demo-madakv-gateway']);
    expect(scaled.one('HorizontalPodAutoscaler', 'demo-madakv-gateway')).toMatchObject({
      spec: { minReplicas: 2, maxReplicas: 8 },
    });
    expect(scaled.one('Deployment', 'demo-madakv-gateway')['spec']).not.toHaveProperty('replicas');
  });

  it('gateways and budget services are on different nodes where that can be, unless told otherwise', async () => {
    const own = [{ maxSkew: 2, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule' }];
    const rendered = await Rendered.of({ budget: { topologySpreadConstraints: own } });
    const constraints = (name: string): unknown =>
      rendered.pod('Deployment', `demo-madakv-${name}`).spec['topologySpreadConstraints'];
    const gateway = rendered.pod('Deployment', 'demo-madakv-gateway').metadata.labels;
    expect(constraints('gateway')).toMatchObject([
      { topologyKey: 'kubernetes.io/hostname', whenUnsatisfiable: 'ScheduleAnyway' },
    ]);
    const [{ labelSelector }] = constraints('gateway') as [{ labelSelector: { matchLabels: Record<string, string> } }];
    expect(gateway).toMatchObject(labelSelector.matchLabels);
    expect(constraints('budget')).toEqual(own);
    expect(constraints('batch')).toBeUndefined();
  });

  it('a digest goes before a tag, and secrets of registries to every pod', async () => {
    const digest = `sha256:${'b'.repeat(64)}`;
    const rendered = await Rendered.of({
      image: { repository: 'r.example.com/madakv', tag: '1.2', digest },
      redis: { bundled: { image: { repository: 'r.example.com/redis', tag: 'x' } } },
      imagePullSecrets: [{ name: 'pull' }],
    });
    for (const { of, pod } of rendered.pods()) {
      const image = of.startsWith('StatefulSet') ? 'r.example.com/redis:x' : `r.example.com/madakv@${digest}`;
      expect(pod.spec.containers[0].image).toBe(image);
      expect(pod.spec['imagePullSecrets']).toEqual([{ name: 'pull' }]);
    }
    expect((await Rendered.of()).pod('Deployment', 'demo-madakv-budget').spec.containers[0].image).toBe('madakv:0.1.0');
  });

  it('files lie on a claim that is kept, one that is there, or in a bucket', async () => {
    const own = await Rendered.of();
    expect(own.one('PersistentVolumeClaim', 'demo-madakv-files')).toMatchObject({
      metadata: { annotations: { 'helm.sh/resource-policy': 'keep' } },
      spec: { accessModes: ['ReadWriteMany'] },
    });
    const given = await Rendered.of({ storage: { claim: { existingClaim: 'there' } } });
    expect(given.all('PersistentVolumeClaim')).toEqual([]);
    const bucket = await Rendered.of({
      storage: { type: 's3', s3: { bucket: 'b-1', prefix: 'x/', credentialsSecret: { name: 'keys' } } },
    });
    for (const [rendered, storage, mounts] of [
      [given, '/data/files', true],
      [bucket, 's3://b-1/x', false],
    ] as const) {
      for (const name of ['gateway', 'batch', 'prepare', 'generate']) {
        const { containers } = rendered.pod('Deployment', `demo-madakv-${name}`).spec;
        expect(environmentOf(containers[0])['MADAKV_STORAGE']).toBe(storage);
        expect(containers[0].volumeMounts.some(({ mountPath }) => mountPath === '/data')).toBe(mounts);
      }
    }
    const [gateway] = bucket.pod('Deployment', 'demo-madakv-gateway').spec.containers;
    expect(environmentOf(gateway)).toMatchObject({
      AWS_ACCESS_KEY_ID: 'from-accessKeyId',
      AWS_SECRET_ACCESS_KEY: 'from-secretAccessKey',
    });
  });

  it('objects of your own are rendered with the release', async () => {
    const rendered = await Rendered.of({
      extraObjects: [
        { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' }, data: { of: '{{ .Release.Name }}' } },
        'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ include "madakv.fullname" . }}-b\n',
      ],
    });
    expect(rendered.one('ConfigMap', 'a')).toMatchObject({ data: { of: 'demo' } });
    expect(rendered.has('ConfigMap', 'demo-madakv-b')).toBe(true);
  });
});
