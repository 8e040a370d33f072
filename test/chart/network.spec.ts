import { beforeAll, describe, expect, it } from 'vitest';
import { Rendered } from './chart.js';
import { partyOf, Policies, type Party } from './policies.js';
import { NEEDS_TOOLS, TOOLS_ARE_THERE } from './tools.js';
import type { ChartValues } from './values.schema.js';

const NAMESPACE = 'kubernetes.io/metadata.name';
const elsewhere = (name: string): Party => ({ pod: { app: 'other' }, namespace: { [NAMESPACE]: name } });
const OTHER: Party = { pod: { app: 'other' } };
const PUBLIC: Party = { ip: '93.184.216.34' };
const PUBLIC_6: Party = { ip: '2606:2800:220:1::1' };
/** The API server, a node's metadata, another pod, each by its address. */
const INSIDE: Party[] = ['10.96.0.1', '169.254.169.254', '172.20.3.4', '192.168.1.1', '127.0.0.1', '100.64.1.1'].map(
  (ip) => ({ ip }),
);

interface Site {
  readonly policies: Policies;
  readonly rendered: Rendered;
  readonly of: (name: string, kind?: string) => Party;
}

async function site(values: ChartValues): Promise<Site> {
  const rendered = await Rendered.of(values);
  return {
    rendered,
    policies: new Policies(rendered.all('NetworkPolicy')),
    of: (name, kind = 'Deployment') => partyOf(rendered.pod(kind, `demo-madakv-${name}`)),
  };
}

describe.skipIf(!TOOLS_ARE_THERE)(`network policies${NEEDS_TOOLS}`, () => {
  let bundled: Site;
  let external: Site;
  beforeAll(async () => {
    const watched = { monitoring: { podMonitor: { enabled: true } }, autoscaling: { enabled: true } };
    bundled = await site(watched);
    external = await site({
      ...watched,
      redis: { mode: 'external', external: { url: 'redis://redis.example.com:6380' } },
      storage: { type: 's3', s3: { bucket: 'documents' } },
      models: { 'madakv-reader': { image: { path: '/m' } }, big: { fetch: { repository: 'a/b', revision: 'c' } } },
      networkPolicy: { redisTo: [{ ipBlock: { cidr: '10.1.2.3/32' } }] },
      pools: [
        {
          name: 'prepare',
          roles: ['prepare'],
          model: 'madakv-reader',
          settings: { MADAKV_FETCH_PORTS: [443, 8443], MADAKV_FETCH_NETWORKS: ['10.9.0.0/16'] },
        },
        { name: 'generate', roles: ['generate'], model: 'big' },
        {
          name: 'hooks',
          roles: ['batch'],
          settings: { MADAKV_WEBHOOK_PORTS: [443, 8444], MADAKV_WEBHOOK_NETWORKS: ['10.7.0.0/16'] },
        },
      ],
    });
  });

  it('let everyone reach the gateway, and nobody anything else', () => {
    const { policies, of, rendered } = bundled;
    for (const who of [PUBLIC, OTHER, elsewhere('ingress')]) {
      expect(policies.allow(who, of('gateway'), 8080)).toBe(true);
      expect(policies.allow(who, of('gateway'), 8081)).toBe(false);
      for (const port of [50051, 50052]) expect(policies.allow(who, of('budget'), port)).toBe(false);
      for (const port of [8082, 9464]) expect(policies.allow(who, of('generate'), port)).toBe(false);
      expect(policies.allow(who, of('redis', 'StatefulSet'), 6379)).toBe(false);
    }
    expect(rendered.all('NetworkPolicy').length).toBeGreaterThan(3);
  });

  it('or those who are named, and the test', async () => {
    const { policies, of } = await site({
      networkPolicy: { gatewayFrom: [{ namespaceSelector: { matchLabels: { [NAMESPACE]: 'ingress' } } }] },
    });
    expect(policies.allow(elsewhere('ingress'), of('gateway'), 8080)).toBe(true);
    expect(policies.allow(elsewhere('default'), of('gateway'), 8080)).toBe(false);
    expect(policies.allow(of('test', 'Pod'), of('gateway'), 8080)).toBe(true);
  });

  it('lead services to Redis and workers to the budget service', () => {
    const { policies, of } = bundled;
    for (const name of ['gateway', 'budget', 'batch', 'prepare', 'generate']) {
      expect(policies.allow(of(name), of('redis', 'StatefulSet'), 6379)).toBe(true);
      expect(policies.allow(of(name), elsewhere('kube-system'), 53, 'UDP')).toBe(true);
    }
    for (const name of ['batch', 'prepare', 'generate']) {
      expect(policies.allow(of(name), of('budget'), 50051)).toBe(true);
      expect(policies.allow(of(name), of('budget'), 50052)).toBe(false);
    }
    expect(policies.allow(of('gateway'), of('budget'), 50051)).toBe(false);
    expect(policies.allow(of('redis', 'StatefulSet'), PUBLIC, 443)).toBe(false);
  });

  it('open /demand and Redis to KEDA, metrics to Prometheus, and no more than that', () => {
    const { policies, of } = bundled;
    const [keda, prometheus] = [elsewhere('keda'), elsewhere('monitoring')];
    expect(policies.allow(keda, of('budget'), 50052)).toBe(true);
    expect(policies.allow(keda, of('budget'), 50051)).toBe(false);
    expect(policies.allow(keda, of('redis', 'StatefulSet'), 6379)).toBe(true);
    for (const name of ['gateway', 'budget', 'generate']) expect(policies.allow(prometheus, of(name), 9464)).toBe(true);
    expect(policies.allow(prometheus, of('budget'), 50052)).toBe(false);
  });

  it('without KEDA do not', async () => {
    const { policies, of } = await site({});
    expect(policies.allow(elsewhere('keda'), of('budget'), 50052)).toBe(false);
    expect(policies.allow(elsewhere('keda'), of('redis', 'StatefulSet'), 6379)).toBe(false);
  });

  it('let workers that fetch documents or call webhooks to the public internet, and never into the cluster', () => {
    for (const { policies, of } of [bundled, external]) {
      for (const name of ['prepare', ...(policies === bundled.policies ? ['batch'] : ['hooks'])]) {
        for (const address of [PUBLIC, PUBLIC_6]) expect(policies.allow(of(name), address, 443)).toBe(true);
        for (const address of [...INSIDE, { ip: 'fd00::1' }]) {
          for (const port of [80, 443, 6443]) expect(policies.allow(of(name), address, port)).toBe(false);
        }
        expect(policies.allow(of(name), OTHER, 443)).toBe(false);
        expect(policies.allow(of(name), PUBLIC, 80)).toBe(false);
      }
    }
    // What the service itself is told to fetch from, and to call.
    const { policies, of } = external;
    expect(policies.allow(of('hooks'), PUBLIC, 8444)).toBe(true);
    expect(policies.allow(of('hooks'), { ip: '10.7.1.1' }, 443)).toBe(true);
    expect(policies.allow(of('hooks'), { ip: '10.9.1.1' }, 443)).toBe(false);
    expect(policies.allow(of('prepare'), PUBLIC, 8443)).toBe(true);
    expect(policies.allow(of('prepare'), { ip: '10.9.1.1' }, 443)).toBe(true);
    expect(policies.allow(of('prepare'), { ip: '10.8.1.1' }, 443)).toBe(false);
  });

  it('let the others out only to what they need', () => {
    expect(bundled.policies.allow(bundled.of('generate'), PUBLIC, 443)).toBe(false);
    expect(bundled.policies.allow(bundled.of('gateway'), PUBLIC, 443)).toBe(false);
    const { policies, of } = external;
    // The bucket.
    for (const name of ['gateway', 'generate']) expect(policies.allow(of(name), PUBLIC, 443)).toBe(true);
    expect(policies.allow(of('budget'), PUBLIC, 443)).toBe(false);
    for (const name of ['gateway', 'budget', 'prepare']) {
      expect(policies.allow(of(name), { ip: '10.1.2.3' }, 6380)).toBe(true);
      expect(policies.allow(of(name), { ip: '10.1.2.4' }, 6380)).toBe(false);
    }
    const job = external.rendered.pods().find(({ of: made }) => made.startsWith('Job '));
    if (job === undefined) throw new Error('no job');
    expect(policies.allow(partyOf(job.pod), PUBLIC, 443)).toBe(true);
    for (const address of INSIDE) expect(policies.allow(partyOf(job.pod), address, 443)).toBe(false);
  });

  it('are left out where they are not wanted', async () => {
    expect((await Rendered.of({ networkPolicy: { enabled: false } })).all('NetworkPolicy')).toEqual([]);
  });
});
