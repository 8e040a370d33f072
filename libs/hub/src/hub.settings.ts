import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/** Where the hub is, and where what it gives is kept. */
export interface HubSettings {
  /** Without a slash at its end. */
  readonly endpoint: string;
  /** Folder of `models--org--name`, shared with the Python tools. */
  readonly cacheDir: string;
  readonly token?: string;
  /** Nothing is asked of the network. */
  readonly offline: boolean;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads the variables of the Hugging Face tools, with their meaning and precedence: `HF_ENDPOINT`, `HF_HUB_CACHE`
 * (`HUGGINGFACE_HUB_CACHE`), `HF_HOME`, `XDG_CACHE_HOME`, `HF_TOKEN` (`HUGGING_FACE_HUB_TOKEN`), `HF_TOKEN_PATH`,
 * `HF_HUB_DISABLE_IMPLICIT_TOKEN`, `HF_HUB_OFFLINE` (`TRANSFORMERS_OFFLINE`). An empty variable counts as unset.
 * @see https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables
 */
export function hubSettings(environment: Environment = process.env): HubSettings {
  const of = (...names: readonly string[]): string | undefined =>
    names.map((name) => environment[name]?.trim()).find((value) => value !== undefined && value !== '');
  const path = (...names: readonly string[]): string | undefined => {
    const value = of(...names);
    return value === undefined ? undefined : expanded(value, environment);
  };
  const home = path('HF_HOME') ?? join(path('XDG_CACHE_HOME') ?? join(homedir(), '.cache'), 'huggingface');
  const token =
    of('HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN') ??
    (isTrue(of('HF_HUB_DISABLE_IMPLICIT_TOKEN')) ? undefined : tokenIn(path('HF_TOKEN_PATH') ?? join(home, 'token')));
  return {
    endpoint: (of('HF_ENDPOINT') ?? 'https://huggingface.co').replace(/\/+$/, ''),
    cacheDir: resolve(path('HF_HUB_CACHE', 'HUGGINGFACE_HUB_CACHE') ?? join(home, 'hub')),
    ...(token === undefined ? {} : { token }),
    offline: isTrue(of('HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE')),
  };
}

/** What `hf auth login` leaves. */
function tokenIn(path: string): string | undefined {
  try {
    const token = readFileSync(path, 'utf8').trim();
    return token === '' ? undefined : token;
  } catch {
    return undefined;
  }
}

function isTrue(value: string | undefined): boolean {
  return value !== undefined && ['1', 'ON', 'YES', 'TRUE'].includes(value.toUpperCase());
}

/** `~` and `$NAME` as the Python tools take them. */
function expanded(path: string, environment: Environment): string {
  const home = path === '~' || path.startsWith('~/') ? homedir() + path.slice(1) : path;
  return home.replace(/\$(?:\{(\w+)\}|(\w+))/g, (whole, braced?: string, bare?: string) => {
    return environment[braced ?? bare ?? ''] ?? whole;
  });
}
