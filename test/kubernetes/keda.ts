import { freePort } from '@madakv/testing';
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { quote } from '../image/chroot.js';
import { KEDA, type ControlPlane } from './control.plane.js';

const NAMESPACE = 'keda';
const READY_MS = 120_000;
const LOOPBACK = '127.0.0.1';

/**
 * Starts KEDA's operator and its metrics adapter beside a control plane that has their resource definitions.
 * @param hosts their /etc/hosts: they reach Services by the names that these have in a cluster
 */
export async function startKeda(plane: ControlPlane, hosts: string): Promise<void> {
  const { api, folder, kubeconfig } = plane;
  const [adapter, metrics, health, service] = await Promise.all(Array.from({ length: 4 }, freePort));
  await plane.kubectl(['create', 'namespace', NAMESPACE]);
  // An APIService wants a Service, and endpoints must not be loopback: a name may.
  await api.post(`/api/v1/namespaces/${NAMESPACE}/services`, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'keda-metrics-apiserver' },
    spec: { type: 'ExternalName', externalName: 'localhost', ports: [{ port: adapter, name: 'https' }] },
  });
  await api.post('/apis/apiregistration.k8s.io/v1/apiservices', {
    apiVersion: 'apiregistration.k8s.io/v1',
    kind: 'APIService',
    metadata: { name: 'v1beta1.external.metrics.k8s.io' },
    spec: {
      service: { name: 'keda-metrics-apiserver', namespace: NAMESPACE, port: adapter },
      group: 'external.metrics.k8s.io',
      version: 'v1beta1',
      insecureSkipTLSVerify: true,
      groupPriorityMinimum: 100,
      versionPriority: 100,
    },
  });
  const { ca, certificate, key } = plane.certificateFiles;
  const certificates = join(folder, 'keda');
  mkdirSync(certificates);
  for (const [from, name] of [
    [ca, 'ca.crt'],
    [certificate, 'tls.crt'],
    [key, 'tls.key'],
  ] as const) {
    copyFileSync(from, join(certificates, name));
  }
  const environment = {
    POD_NAME: 'keda',
    POD_NAMESPACE: NAMESPACE,
    KEDA_CLUSTER_OBJECT_NAMESPACE: NAMESPACE,
    WATCH_NAMESPACE: '',
    KEDA_HTTP_DEFAULT_TIMEOUT: '3000',
  };
  const withNames = (program: string, args: readonly string[]): [string, string[]] => [
    'unshare',
    [
      ...['--mount', '--propagation', 'private', '/bin/sh', '-euc'],
      `mount --bind ${quote(hosts)} /etc/hosts\nexec ${[join(KEDA, program), ...args].map(quote).join(' ')}`,
    ],
  ];
  plane.spawn(
    'keda-operator',
    ...withNames('keda-operator', [
      ...['--kubeconfig', kubeconfig, '--cert-dir', certificates, '--enable-cert-rotation=false'],
      ...['--metrics-bind-address', `${LOOPBACK}:${metrics}`, '--health-probe-bind-address', `${LOOPBACK}:${health}`],
      ...['--metrics-service-bind-address', `${LOOPBACK}:${service}`],
    ]),
    environment,
  );
  plane.spawn(
    'keda-adapter',
    ...withNames('keda-adapter', [
      ...['--kubeconfig', kubeconfig, '--lister-kubeconfig', kubeconfig, '--authentication-kubeconfig', kubeconfig],
      ...['--authorization-kubeconfig', kubeconfig, '--secure-port', String(adapter), '--bind-address', LOOPBACK],
      ...['--cert-dir', certificates, '--tls-cert-file', certificate, '--tls-private-key-file', key],
      ...['--metrics-service-address', `${LOOPBACK}:${service}`],
      ...['--metrics-service-grpc-authority', 'keda-operator.keda.svc', '--v', '0'],
    ]),
    environment,
  );
  const until = Date.now() + READY_MS;
  for (;;) {
    try {
      await api.get('/apis/external.metrics.k8s.io/v1beta1');
      return;
    } catch (error) {
      if (Date.now() > until) throw error;
      await pause(500);
    }
  }
}
