const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** Bytes for people: three or four digits and a binary unit. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (Math.abs(value) >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(value >= 10 ? 1 : 2)} ${UNITS[unit]}`;
}

/** Reads `8GiB`, `512 MB` or a plain number of bytes. @returns undefined for anything else */
export function parseBytes(text: string): number | undefined {
  const match = /^\s*(\d+(?:\.\d+)?)\s*(?:([kmgt]?)(i?)b?)?\s*$/i.exec(text);
  if (match === null) return undefined;
  const [, digits, prefix = '', binary = ''] = match as readonly (string | undefined)[];
  const power = ['', 'k', 'm', 'g', 't'].indexOf(prefix.toLowerCase());
  return Math.round(Number(digits) * (binary === '' ? 1000 : 1024) ** power);
}

/** 12345 as 12,345. */
export function formatCount(count: number): string {
  return Math.round(count).toLocaleString('en-US');
}

export function formatMs(ms: number): string {
  if (ms < 1000) return `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms`;
  if (ms < 120_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** @param seconds since 1970 */
export function formatTime(seconds: number): string {
  return `${new Date(1000 * seconds).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

const DURATIONS_S = new Map([
  ['s', 1],
  ['m', 60],
  ['h', 3_600],
  ['d', 86_400],
  ['w', 7 * 86_400],
]);

/** Reads `90s`, `30m`, `12h`, `7d` or `2w`. @returns seconds; undefined for anything else */
export function parseDuration(text: string): number | undefined {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([smhdw])\s*$/i.exec(text);
  const unit = DURATIONS_S.get(match?.[2].toLowerCase() ?? '');
  return match === null || unit === undefined ? undefined : Number(match[1]) * unit;
}
