import { BlockList, isIP } from 'node:net';
import { z } from 'zod';
import type { KubernetesObject, Pod } from './chart.js';

/**
 * What NetworkPolicies of one namespace let through, as Kubernetes defines it: a pod that some policy of a direction chooses gets only what
 * one of them lists. Knows the selectors that the chart uses: matchLabels, of pods and of namespaces.
 */

const Selector = z.strictObject({ matchLabels: z.record(z.string(), z.string()).default({}) });
const Peer = z.strictObject({
  podSelector: Selector.optional(),
  namespaceSelector: Selector.optional(),
  ipBlock: z.strictObject({ cidr: z.string(), except: z.array(z.string()).default([]) }).optional(),
});
const Ports = z.array(z.strictObject({ protocol: z.enum(['TCP', 'UDP']), port: z.int() })).optional();
const PolicySchema = z.looseObject({
  spec: z.strictObject({
    podSelector: Selector,
    policyTypes: z.array(z.enum(['Ingress', 'Egress'])),
    ingress: z.array(z.strictObject({ from: z.array(Peer).optional(), ports: Ports })).default([]),
    egress: z.array(z.strictObject({ to: z.array(Peer).optional(), ports: Ports })).default([]),
  }),
});

/** A pod by its labels and those of its namespace (of the release's own: none given), or an address outside. */
export type Party =
  | { readonly pod: Readonly<Record<string, string>>; readonly namespace?: Readonly<Record<string, string>> }
  | { readonly ip: string };

export function partyOf({ metadata }: Pod): Party {
  return { pod: metadata.labels };
}

export class Policies {
  private readonly specs: z.infer<typeof PolicySchema>['spec'][];

  constructor(objects: readonly KubernetesObject[]) {
    this.specs = objects.map((object) => PolicySchema.parse(object).spec);
  }

  /** Whether a connection may be opened: out of where it comes from, and into where it goes. */
  allow(from: Party, to: Party, port: number, protocol: 'TCP' | 'UDP' = 'TCP'): boolean {
    return this.passes('Egress', from, to, port, protocol) && this.passes('Ingress', to, from, port, protocol);
  }

  private passes(type: 'Ingress' | 'Egress', own: Party, other: Party, port: number, protocol: string): boolean {
    if (!('pod' in own) || own.namespace !== undefined) return true;
    const mine = this.specs.filter(
      ({ policyTypes, podSelector }) => policyTypes.includes(type) && chooses(podSelector, own.pod),
    );
    if (mine.length === 0) return true;
    const rules = mine.flatMap(({ ingress, egress }) =>
      type === 'Ingress'
        ? ingress.map(({ from, ports }) => ({ peers: from, ports }))
        : egress.map(({ to, ports }) => ({ peers: to, ports })),
    );
    return rules.some(
      ({ peers, ports }) =>
        (ports === undefined || ports.some((each) => each.port === port && each.protocol === protocol)) &&
        (peers === undefined || peers.some((peer) => isPeer(peer, other))),
    );
  }
}

function chooses({ matchLabels }: z.infer<typeof Selector>, labels: Readonly<Record<string, string>>): boolean {
  return Object.entries(matchLabels).every(([key, value]) => labels[key] === value);
}

function isPeer({ podSelector, namespaceSelector, ipBlock }: z.infer<typeof Peer>, party: Party): boolean {
  if ('ip' in party) {
    if (ipBlock === undefined) return false;
    return covers([ipBlock.cidr], party.ip) && !covers(ipBlock.except, party.ip);
  }
  if (ipBlock !== undefined) return false;
  const isHere = party.namespace === undefined;
  const inNamespace =
    namespaceSelector === undefined ? isHere : !isHere && chooses(namespaceSelector, party.namespace ?? {});
  return inNamespace && (podSelector === undefined || chooses(podSelector, party.pod));
}

function covers(networks: readonly string[], ip: string): boolean {
  const list = new BlockList();
  const family = isIP(ip) === 6 ? 'ipv6' : 'ipv4';
  for (const network of networks) {
    const [address = '', bits = ''] = network.split('/');
    if ((isIP(address) === 6 ? 'ipv6' : 'ipv4') === family) list.addSubnet(address, Number(bits), family);
  }
  return list.check(ip, family);
}
