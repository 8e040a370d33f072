import { json, milliseconds, wholeNumber } from '@madakv/contracts';
import { addressRules, DEFAULT_FETCH_POLICY, isNetwork, type FetchPolicy } from '@madakv/documents';
import { z } from 'zod';

const DAY_MS = 86_400_000;

/** How webhooks are called; the worker spreads it into its own schema. Apart from how documents are fetched: a call does more. */
export const WEBHOOK_SETTINGS = {
  MADAKV_WEBHOOK_CONCURRENCY: wholeNumber({
    min: 1,
    max: 1_000,
    default: 16,
    about: 'Webhooks that one worker with the role batch calls at a time.',
  }),
  MADAKV_WEBHOOK_TIMEOUT_MS: milliseconds({
    min: 10,
    default: 15_000,
    about: 'Time that a webhook has to answer.',
  }),
  MADAKV_WEBHOOK_DISABLE_DAYS: wholeNumber({
    min: 1,
    max: 365,
    default: 5,
    about: 'A webhook that took nothing for so many days is disabled, with the reason.',
  }),
  MADAKV_WEBHOOK_HTTP: json({
    schema: z.boolean(),
    default: DEFAULT_FETCH_POLICY.allowHttp,
    expected: 'true or false',
    about: 'Whether webhooks may have http: URLs beside https: ones; their port has to be among the allowed ports.',
  }),
  MADAKV_WEBHOOK_PORTS: json({
    schema: z.array(z.int().min(1).max(65_535)).min(1),
    default: [...DEFAULT_FETCH_POLICY.allowedPorts],
    expected: 'a JSON list of ports',
    about: 'Ports of webhooks.',
  }),
  MADAKV_WEBHOOK_NETWORKS: json({
    schema: z.array(z.string().refine(isNetwork)),
    default: [] as string[],
    expected: 'a JSON list of networks in CIDR notation',
    about: 'Networks that webhooks may lead to beside the public internet, such as ["10.0.0.0/8"].',
  }),
} as const;

type WebhookSettings = z.output<z.ZodObject<typeof WEBHOOK_SETTINGS>>;

export interface WebhookOptions {
  readonly policy: FetchPolicy;
  /** Failures in a row over so long disable a webhook. */
  readonly disableAfterMs: number;
}

export function webhookOptions(settings: WebhookSettings): WebhookOptions {
  return {
    policy: {
      ...DEFAULT_FETCH_POLICY,
      allowHttp: settings.MADAKV_WEBHOOK_HTTP,
      allowedPorts: settings.MADAKV_WEBHOOK_PORTS,
      isAllowedAddress: addressRules(settings.MADAKV_WEBHOOK_NETWORKS),
      idleTimeoutMs: settings.MADAKV_WEBHOOK_TIMEOUT_MS,
      totalTimeoutMs: settings.MADAKV_WEBHOOK_TIMEOUT_MS,
    },
    disableAfterMs: settings.MADAKV_WEBHOOK_DISABLE_DAYS * DAY_MS,
  };
}
