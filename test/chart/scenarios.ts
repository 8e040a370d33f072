import type { ChartValues } from './values.schema.js';

/** Sites that differ in all that the chart can do; each is linted, rendered and validated. */
export const SCENARIOS: Readonly<Record<string, ChartValues>> = {
  'a trial, as the chart comes': {},

  'a production site: everything of its own, GPUs and processors, two models, scaled, watched': {
    commonLabels: { team: 'documents' },
    image: { repository: 'registry.example.com/madakv', digest: `sha256:${'a'.repeat(64)}` },
    imagePullSecrets: [{ name: 'registry' }],
    serviceAccount: { annotations: { 'eks.amazonaws.com/role-arn': 'arn:aws:iam::1:role/documents' } },
    redis: {
      mode: 'external',
      keyPrefix: '{site-a}',
      budgetKeyPrefix: 'site-a:budget',
      external: {
        url: 'rediss://app@redis.example.com:6380/2',
        passwordSecret: { name: 'redis', key: 'password', urlKey: 'encoded' },
        caSecret: { name: 'redis-ca' },
      },
    },
    storage: {
      type: 's3',
      s3: {
        bucket: 'documents',
        prefix: 'madakv/',
        endpoint: 'https://s3.example.com:9000',
        region: 'eu-central-1',
        credentialsSecret: { name: 's3' },
      },
    },
    models: {
      'madakv-reader': { image: { path: '/app/models/madakv-reader' } },
      qwen: { fetch: { repository: 'Qwen/Qwen2.5-VL-3B-Instruct', revision: 'abc123' } },
      own: { claim: { name: 'own-models', path: 'own/v2', marker: 'READY' } },
    },
    modelStore: { tokenSecret: { name: 'hub' } },
    gateway: {
      autoscaling: { enabled: true },
      apiKeys: { existingSecret: { name: 'keys' } },
      settings: {
        MADAKV_GATEWAY_LIMITS: { requestsPerMinute: 60 },
        MADAKV_GATEWAY_CORS_ORIGINS: ['https://app.example.com'],
      },
      ingress: {
        enabled: true,
        className: 'nginx',
        hosts: ['madakv.example.com'],
        tls: [{ secretName: 'tls', hosts: ['madakv.example.com'] }],
      },
      route: {
        enabled: true,
        parentRefs: [{ name: 'public', namespace: 'gateways' }],
        hostnames: ['madakv.example.com'],
      },
    },
    budget: { settings: { MADAKV_BUDGET_TENANT_SHARES: { '*': 0.5 } } },
    pools: [
      { name: 'batch', roles: ['batch'], autoscaling: { minReplicas: 1 } },
      {
        name: 'prepare',
        roles: ['prepare'],
        model: 'qwen',
        settings: { MADAKV_FETCH_PORTS: [443, 8443], MADAKV_FETCH_NETWORKS: '["10.9.0.0/16"]' },
      },
      { name: 'prepare-reader', roles: ['prepare', 'batch'], model: 'madakv-reader', autoscaling: { minReplicas: 1 } },
      {
        name: 'gpu',
        roles: ['generate'],
        model: 'qwen',
        provider: 'webgpu',
        quant: '4',
        deviceCapacity: '40Gi',
        concurrency: 16,
        graceSeconds: 120,
        runtimeClassName: 'nvidia',
        nodeSelector: { accelerator: 'nvidia' },
        tolerations: [{ key: 'nvidia.com/gpu', operator: 'Exists' }],
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [{ matchExpressions: [{ key: 'zone', operator: 'In', values: ['a'] }] }],
            },
          },
        },
        topologySpreadConstraints: [
          {
            maxSkew: 1,
            topologyKey: 'kubernetes.io/hostname',
            whenUnsatisfiable: 'ScheduleAnyway',
            labelSelector: { matchLabels: { 'madakv.dev/pool': 'gpu' } },
          },
        ],
        podSecurityContext: { supplementalGroups: [44, 109] },
        env: [{ name: 'NVIDIA_DRIVER_CAPABILITIES', value: 'all' }],
        resources: { limits: { 'nvidia.com/gpu': 1, memory: '32Gi' }, requests: { cpu: 4, memory: '16Gi' } },
        cache: { existingClaim: 'built-models' },
        podDisruptionBudget: { enabled: true, maxUnavailable: '50%' },
        autoscaling: { maxReplicas: 20, share: 0.8 },
      },
      { name: 'cpu', roles: ['generate'], model: 'qwen', quant: 'w8a8', kvCache: 'int8', autoscaling: { share: 0.2 } },
      { name: 'reader', roles: ['generate'], model: 'madakv-reader', autoscaling: { enabled: false }, replicas: 2 },
      { name: 'own', roles: ['generate', 'prepare'], model: 'own', autoscaling: { minReplicas: 1 } },
    ],
    autoscaling: { enabled: true },
    telemetry: { otlpEndpoint: 'http://collector.observability:4318', sampleRatio: 0.1 },
    monitoring: {
      podMonitor: { enabled: true, labels: { release: 'prometheus' } },
      rules: { enabled: true },
      dashboards: { enabled: true },
    },
    tests: { apiKeySecret: { name: 'test-key', key: 'key' } },
    extraObjects: [
      { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'more' }, data: { of: '{{ .Release.Name }}' } },
      'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ include "madakv.fullname" . }}-text\n',
    ],
  },

  'OpenShift: ids of its own choosing': {
    podSecurityContext: { runAsUser: null, runAsGroup: null, fsGroup: null },
    redis: { bundled: { podSecurityContext: { runAsUser: null, runAsGroup: null, fsGroup: null } } },
    networkPolicy: { dnsTo: [{ namespaceSelector: {} }], dnsPorts: [5353] },
  },

  'one pool that does all, on fixed replicas and claims that are there': {
    // As a chart that has this one as a part gives it.
    global: { anything: 1 },
    fullnameOverride: 'qa',
    storage: { claim: { existingClaim: 'files' } },
    gateway: { replicas: 1, allowAnonymous: true },
    budget: { replicas: 1, demandToken: { enabled: false } },
    networkPolicy: { enabled: false },
    pools: [{ name: 'all', roles: ['batch', 'prepare', 'generate'], model: 'madakv-reader' }],
  },
};
