import { join } from 'node:path';
import { KWOK, type ControlPlane } from './control.plane.js';

const STAGES = [
  'node/fast/node-initialize.yaml',
  'node/heartbeat-with-lease/node-heartbeat-with-lease.yaml',
  'pod/fast/pod-ready.yaml',
  'pod/fast/pod-complete.yaml',
  'pod/fast/pod-delete.yaml',
];
const MANAGED = { 'kwok.x-k8s.io/node': 'fake' };

/** What a pod needs to be bound to a node of kwok's, as values of a pool. Others are kept away. */
export const ON_PAPER = {
  nodeSelector: { type: 'kwok' },
  tolerations: [{ key: 'kwok.x-k8s.io/node', operator: 'Exists' as const }],
};

/** Starts kwok beside a control plane and gives it that many nodes: their pods are said to run, and nobody runs them. */
export async function startKwok(plane: ControlPlane, nodes: number): Promise<void> {
  plane.spawn('kwok', join(KWOK, 'kwok'), [
    ...['--kubeconfig', plane.kubeconfig, '--manage-nodes-with-annotation-selector', 'kwok.x-k8s.io/node=fake'],
    ...['--cidr', '172.20.0.0/16', '--node-lease-duration-seconds', '40'],
    ...STAGES.flatMap((stage) => ['--config', join(KWOK, 'kustomize/stage', stage)]),
  ]);
  const room = { cpu: '32', memory: '256Gi', pods: '110' };
  for (let i = 0; i < nodes; i++) {
    const name = `paper-${i}`;
    await plane.api.post('/api/v1/nodes', {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name, annotations: MANAGED, labels: { 'kubernetes.io/hostname': name, type: 'kwok' } },
      spec: { taints: [{ key: 'kwok.x-k8s.io/node', value: 'fake', effect: 'NoSchedule' }] },
      status: { allocatable: room, capacity: room },
    });
  }
}
