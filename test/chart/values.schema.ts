import { ModelIdSchema, TenantSchema } from '@madakv/contracts';
import { z } from 'zod';
import { BudgetSettingsSchema } from '../../apps/budget/src/budget.settings.js';
import { GatewaySettingsSchema } from '../../apps/gateway/src/gateway.settings.js';
import { WorkerSettingsSchema } from '../../apps/worker/src/worker.settings.js';

/**
 * What values.yaml may hold. helm/madakv/values.schema.json is made from it (schema.spec.ts), so that Helm refuses what is wrong with its
 * path, a setting that no service knows among it. Everything may be left out: the chart has a default for it.
 */

/** Settings that the templates give, from values of their own; the same in `settings` would stand twice. */
export const MANAGED = {
  gateway: [
    'MADAKV_REDIS_URL',
    'MADAKV_KEY_PREFIX',
    'MADAKV_STORAGE',
    'MADAKV_LOG_LEVEL',
    'MADAKV_ALLOW_VOLATILE_REDIS',
    'MADAKV_GATEWAY_HOST',
    'MADAKV_GATEWAY_PORT',
    'MADAKV_GATEWAY_HEALTH_PORT',
    'MADAKV_API_KEYS',
    'MADAKV_API_KEYS_FILE',
    'MADAKV_ALLOW_ANONYMOUS',
    'MADAKV_GATEWAY_REQUEST_TIMEOUT_MS',
    'MADAKV_GATEWAY_BODY_MS',
    'MADAKV_GATEWAY_GRACE_MS',
  ],
  budget: [
    'MADAKV_REDIS_URL',
    'MADAKV_LOG_LEVEL',
    'MADAKV_BUDGET_KEY_PREFIX',
    'MADAKV_BUDGET_HOST',
    'MADAKV_BUDGET_PORT',
    'MADAKV_BUDGET_HTTP_PORT',
    'MADAKV_BUDGET_DEMAND_TOKEN',
  ],
  worker: [
    'MADAKV_REDIS_URL',
    'MADAKV_KEY_PREFIX',
    'MADAKV_STORAGE',
    'MADAKV_LOG_LEVEL',
    'MADAKV_ALLOW_VOLATILE_REDIS',
    'MADAKV_BUDGET_ADDRESS',
    'MADAKV_WORKER_ROLES',
    'MADAKV_WORKER_ID',
    'MADAKV_WORKER_HEALTH_HOST',
    'MADAKV_WORKER_HEALTH_PORT',
    'MADAKV_MODEL',
    'MADAKV_MODEL_ID',
    'MADAKV_PROVIDER',
    'MADAKV_QUANT',
    'MADAKV_PRECISION',
    'MADAKV_KV_CACHE',
    'MADAKV_CACHE',
    'MADAKV_CONCURRENCY',
    'MADAKV_PREPARE_CONCURRENCY',
    'MADAKV_DEVICE_ID',
    'MADAKV_DEVICE_CAPACITY_BYTES',
    'MADAKV_GRACE_MS',
  ],
} as const;

/** Texts, and what is written as JSON. */
const setting = z
  .union([z.string(), z.number(), z.boolean(), z.array(z.unknown()), z.record(z.string(), z.unknown())])
  .meta({ id: 'setting' });

/** The settings of a service that are not managed, by name. */
function settingsOf(schema: z.ZodObject, managed: readonly string[]) {
  const free = Object.keys(schema.shape).filter((name) => !managed.includes(name));
  return z.strictObject(Object.fromEntries(free.map((name) => [name, setting.optional()])));
}

const text = z.string();
const name = z.string().regex(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/);
const nameOrNone = name.or(z.literal(''));
const key = z.string().regex(/^[A-Za-z0-9._-]+$/);
/** Of Kubernetes' own making. */
const map = z.record(z.string(), z.unknown()).meta({ id: 'map' });
const strings = z.record(z.string(), z.string()).meta({ id: 'strings' });
const maps = z.array(map).meta({ id: 'maps' });
const port = z.int().min(1).max(65_535);
const count = z.int().min(0);
const atLeastOne = z.int().min(1);
const seconds = z.int().min(0).max(86_400);
const quantity = z.string().regex(/^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$/);
const cidr = z.string().regex(/^[0-9a-fA-F.:]+\/[0-9]{1,3}$/);
const digest = z.string().regex(/^(sha256:[0-9a-f]{64})?$/);
const url = z.string().regex(/^(https?:\/\/[^/\s]+.*)?$/);
const share = z.number().gt(0).max(1);
/** maxUnavailable: some, or a part. */
const some = z.union([atLeastOne, z.string().regex(/^[1-9][0-9]?%$/)]);

/** All keys may be left out. */
function values<S extends z.ZodRawShape>(shape: S) {
  return z.strictObject(shape).partial();
}

const image = values({ repository: z.string().min(1), tag: text, digest });
const secretKey = values({ name: nameOrNone, key });
const claim = values({
  existingClaim: nameOrNone,
  size: quantity,
  storageClassName: text,
  accessModes: z.array(z.enum(['ReadWriteOnce', 'ReadWriteMany', 'ReadOnlyMany', 'ReadWriteOncePod'])).min(1),
});
const disruption = values({ enabled: z.boolean(), maxUnavailable: some });

/** Where pods go. */
const PLACE = { podAnnotations: strings, nodeSelector: strings, tolerations: maps, affinity: map };
const SPREAD = { ...PLACE, topologySpreadConstraints: maps, priorityClassName: text };

const POOL = {
  model: ModelIdSchema.or(z.literal('')),
  provider: z.enum(['cpu', 'webgpu', 'cuda']),
  quant: z.enum(['none', '8', '4', 'w8a8']),
  precision: z.enum(['', 'fp16', 'fp32']),
  kvCache: z.enum(['fp32', 'int8']),
  deviceCapacity: z.union([atLeastOne, z.string().regex(/^[1-9][0-9]{0,13}(Ki|Mi|Gi|Ti)?$/)]),
  concurrency: z.int().min(1).max(256),
  prepareConcurrency: z.int().min(1).max(64),
  graceSeconds: seconds,
  startupSeconds: z.int().min(10).max(86_400),
  settings: settingsOf(WorkerSettingsSchema, MANAGED.worker),
  env: maps,
  replicas: count,
  autoscaling: values({
    enabled: z.boolean(),
    external: z.boolean(),
    minReplicas: count,
    maxReplicas: atLeastOne,
    share,
    jobsPerReplica: atLeastOne,
    pollingSeconds: z.int().min(1).max(3_600),
    cooldownSeconds: seconds,
    scaleDownWindowSeconds: z.int().min(0).max(3_600),
    scaleDownPercent: z.int().min(1).max(100),
    scaleUpWindowSeconds: z.int().min(0).max(3_600),
    fallbackFailures: atLeastOne,
    fallbackReplicas: count,
  }),
  cache: values({ sizeLimit: quantity, existingClaim: nameOrNone }),
  resources: map,
  podSecurityContext: map,
  ...SPREAD,
  runtimeClassName: text,
  podDisruptionBudget: disruption,
  strategy: map,
};

const model = z.union([
  z.strictObject({ image: z.strictObject({ path: z.string().startsWith('/') }) }),
  z.strictObject({
    claim: z.strictObject({ name, path: z.string().regex(/^[^/]/), marker: text.optional() }),
  }),
  z.strictObject({
    fetch: z.strictObject({
      repository: z.string().regex(/^[A-Za-z0-9._-]+\/[A-Za-z0-9._-]+$/),
      revision: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/),
    }),
  }),
]);

export const ValuesSchema = values({
  global: map,
  nameOverride: text,
  fullnameOverride: z.string().regex(/^([a-z]([a-z0-9-]*[a-z0-9])?)?$/),
  commonLabels: strings,
  podAnnotations: strings,
  image: image.extend({ pullPolicy: z.enum(['Always', 'IfNotPresent', 'Never']).optional() }),
  imagePullSecrets: z.array(z.strictObject({ name })),
  serviceAccount: values({ create: z.boolean(), name: nameOrNone, annotations: strings }),
  podSecurityContext: map,
  containerSecurityContext: map,
  logLevel: z.enum(['fatal', 'error', 'warn', 'log', 'debug']),
  redis: values({
    mode: z.enum(['bundled', 'external']),
    keyPrefix: z.string().regex(/^\{?[A-Za-z0-9:_-]+\}?$/),
    budgetKeyPrefix: z.string().regex(/^[A-Za-z0-9:_-]+$/),
    allowVolatile: z.boolean(),
    bundled: values({
      image,
      podSecurityContext: map,
      passwordSecret: secretKey.extend({ urlKey: key.or(z.literal('')).optional() }),
      appendfsync: z.enum(['everysec', 'always']),
      persistence: values({ size: quantity, storageClassName: text }),
      resources: map,
      nodeSelector: strings,
      tolerations: maps,
      affinity: map,
    }),
    external: values({
      url: z.string().regex(/^(rediss?:\/\/([^:@/\s]+@)?[^:@/\s]+(:[0-9]+)?(\/[0-9]+)?)?$/),
      passwordSecret: secretKey.extend({ urlKey: key.or(z.literal('')).optional() }),
      caSecret: secretKey,
    }),
  }),
  storage: values({
    type: z.enum(['claim', 's3']),
    claim,
    s3: values({
      bucket: z.string().regex(/^([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])?$/),
      prefix: z.string().regex(/^([^/].*)?$/),
      endpoint: url,
      region: text,
      credentialsSecret: values({ name: nameOrNone, accessKeyIdKey: key, secretAccessKeyKey: key }),
    }),
  }),
  models: z.record(ModelIdSchema, model),
  modelStore: claim.extend({
    endpoint: z
      .string()
      .regex(/^https?:\/\/[^/\s]+/)
      .optional(),
    tokenSecret: secretKey.optional(),
    suffixes: z.array(z.string().min(1)).min(1).optional(),
    resources: map.optional(),
  }),
  gateway: values({
    replicas: count,
    autoscaling: values({
      enabled: z.boolean(),
      minReplicas: atLeastOne,
      maxReplicas: atLeastOne,
      targetCPUUtilizationPercentage: atLeastOne,
    }),
    apiKeys: values({ existingSecret: secretKey, tenant: TenantSchema }),
    allowAnonymous: z.boolean(),
    requestTimeoutSeconds: z.int().min(1).max(86_400),
    bodyTimeoutSeconds: z.int().min(1).max(86_400),
    graceSeconds: seconds,
    preStopSeconds: seconds,
    settings: settingsOf(GatewaySettingsSchema, MANAGED.gateway),
    env: maps,
    resources: map,
    podDisruptionBudget: disruption,
    ...SPREAD,
    service: values({ type: z.enum(['ClusterIP', 'NodePort', 'LoadBalancer']), port, annotations: strings }),
    ingress: values({
      enabled: z.boolean(),
      className: text,
      annotations: strings,
      hosts: z.array(text).min(1),
      tls: maps,
    }),
    route: values({ enabled: z.boolean(), parentRefs: maps, hostnames: z.array(text), annotations: strings }),
  }),
  budget: values({
    replicas: count,
    demandToken: values({ enabled: z.boolean(), existingSecret: secretKey }),
    settings: settingsOf(BudgetSettingsSchema, MANAGED.budget),
    env: maps,
    preStopSeconds: seconds,
    resources: map,
    podDisruptionBudget: disruption,
    ...SPREAD,
  }),
  poolDefaults: values(POOL),
  pools: z.array(
    values(POOL).extend({
      name: z.string().regex(/^[a-z]([a-z0-9-]{0,18}[a-z0-9])?$/),
      roles: z.array(z.enum(['batch', 'prepare', 'generate'])).min(1),
    }),
  ),
  autoscaling: values({ enabled: z.boolean() }),
  networkPolicy: values({
    enabled: z.boolean(),
    gatewayFrom: maps,
    kedaFrom: maps.min(1),
    monitoringFrom: maps.min(1),
    dnsTo: maps.min(1),
    dnsPorts: z.array(port).min(1),
    redisTo: maps,
    storageTo: maps,
    hubTo: maps,
    telemetryTo: maps,
    privateNetworks: z.array(cidr),
    privateNetworks6: z.array(cidr),
  }),
  telemetry: values({
    otlpEndpoint: url,
    otlpProtocol: z.enum(['http/protobuf', 'http/json', 'grpc']),
    sampleRatio: z.number().min(0).max(1),
    prometheus: values({ enabled: z.boolean(), port }),
  }),
  monitoring: values({
    podMonitor: values({ enabled: z.boolean(), interval: z.string().regex(/^[0-9]+(ms|s|m)$/), labels: strings }),
    rules: values({
      enabled: z.boolean(),
      labels: strings,
      runbookUrl: text,
      leaseWaitSeconds: atLeastOne,
      queueWaitSeconds: atLeastOne,
    }),
    dashboards: values({ enabled: z.boolean(), labels: strings, annotations: strings }),
  }),
  tests: values({
    enabled: z.boolean(),
    model: ModelIdSchema.or(z.literal('')),
    timeoutSeconds: atLeastOne,
    apiKeySecret: secretKey,
  }),
  extraObjects: z.array(z.union([map, text])),
});

export type ChartValues = z.input<typeof ValuesSchema>;

/** The schema as Helm reads it. */
export function jsonSchema(): object {
  return { ...z.toJSONSchema(ValuesSchema, { target: 'draft-7', io: 'input' }), title: 'Values of the chart madakv' };
}
