import { ApiKeyFileSchema, hashApiKey, SettingsError, TenantSchema, type ApiKeyRecord } from '@madakv/contracts';
import { timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { GatewaySettings } from '../gateway.settings.js';

/** Whose requests without a key are, where those are allowed. */
export const ANONYMOUS_TENANT = 'default';
/** A key given in plain must be at least this long, in characters: its hash is not slow to guess. */
const MIN_KEY_LENGTH = 20;

/** Whose a request is, and what it may see. */
export interface Caller {
  readonly tenant: string;
  /** Whether it sees the system as a whole. */
  readonly operator: boolean;
  /** Of the key; null where none was needed. */
  readonly keySha256: string | null;
}

/** The keys that are accepted, as hashes. */
export class ApiKeys {
  private readonly records: readonly { readonly caller: Caller; readonly hash: Buffer }[];

  constructor(
    records: readonly ApiKeyRecord[],
    private readonly allowAnonymous: boolean,
  ) {
    this.records = records.map(({ tenant, sha256, operator = false }) => ({
      caller: { tenant, operator, keySha256: sha256 },
      hash: Buffer.from(sha256, 'hex'),
    }));
  }

  /**
   * Compares with every key, so that the time it takes tells nothing.
   * @param key undefined where the request has none
   * @returns undefined for a key that is not accepted
   */
  callerOf(key: string | undefined): Caller | undefined {
    const anyone = this.anyone();
    if (key === undefined) return anyone;
    const hash = Buffer.from(hashApiKey(key), 'hex');
    let caller = this.records.length === 0 ? anyone : undefined;
    for (const record of this.records) if (timingSafeEqual(record.hash, hash)) caller = record.caller;
    return caller;
  }

  /**
   * Whose session it is, as long as the key that opened it is accepted.
   * @param keySha256 null: it was opened without one
   */
  sessionCaller(keySha256: string | null): Caller | undefined {
    if (keySha256 === null) return this.anyone();
    return this.records.find(({ caller }) => caller.keySha256 === keySha256)?.caller;
  }

  /** Who has no key, where those are served. Where nobody has one, there is nobody to hide the system from. */
  private anyone(): Caller | undefined {
    if (!this.allowAnonymous) return undefined;
    return { tenant: ANONYMOUS_TENANT, operator: this.records.length === 0, keySha256: null };
  }
}

/**
 * The keys of file and environment.
 * @throws SettingsError without repeating a key; also where there are none and anonymous requests are not allowed
 */
export async function loadApiKeys(settings: GatewaySettings): Promise<ApiKeys> {
  const records = [
    ...(await fileRecords(settings.MADAKV_API_KEYS_FILE)),
    ...environmentRecords(settings.MADAKV_API_KEYS.trim()),
  ];
  const allowAnonymous = settings.MADAKV_ALLOW_ANONYMOUS === 'true';
  if (records.length === 0 && !allowAnonymous) {
    throw new SettingsError(
      'there are no API keys: set MADAKV_API_KEYS_FILE or MADAKV_API_KEYS, or MADAKV_ALLOW_ANONYMOUS=true to serve anyone',
    );
  }
  return new ApiKeys(records, allowAnonymous);
}

async function fileRecords(path: string): Promise<ApiKeyRecord[]> {
  if (path === '') return [];
  const content = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new SettingsError(`MADAKV_API_KEYS_FILE: ${path} cannot be read (${(error as NodeJS.ErrnoException).code})`);
  });
  return parseRecords('MADAKV_API_KEYS_FILE', content);
}

function environmentRecords(value: string): ApiKeyRecord[] {
  if (value === '') return [];
  if (value.startsWith('[')) return parseRecords('MADAKV_API_KEYS', value);
  return value.split(',').map((pair, i) => {
    const colon = pair.indexOf(':');
    const [tenant, key] = [pair.slice(0, colon).trim(), pair.slice(colon + 1).trim()];
    if (colon < 1 || !TenantSchema.safeParse(tenant).success || key.length < MIN_KEY_LENGTH) {
      throw new SettingsError(
        `MADAKV_API_KEYS: pair ${i + 1} is not tenant:key with a tenant of letters, digits, or . _ - and a key of at ` +
          `least ${MIN_KEY_LENGTH} characters`,
      );
    }
    return { tenant, sha256: hashApiKey(key) };
  });
}

function parseRecords(name: string, content: string): ApiKeyRecord[] {
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch {
    throw new SettingsError(`${name}: expected JSON: [{"tenant", "sha256", "name"?}]`);
  }
  const parsed = ApiKeyFileSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [{ path, message }] = parsed.error.issues;
  throw new SettingsError(`${name}: ${path.map(String).join('.')}: ${message}`);
}
