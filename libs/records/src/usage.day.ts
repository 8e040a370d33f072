const DAY_MS = 86_400_000;
/** The day of a time (UTC), counted from 1970. @param atMs milliseconds since 1970 */
export function dayOf(atMs: number): number {
  return Math.floor(atMs / DAY_MS);
}

/** When a day begins, in milliseconds since 1970. */
export function startOfDay(day: number): number {
  return day * DAY_MS;
}

/** `2026-11-28` */
export function dateOf(day: number): string {
  return new Date(startOfDay(day)).toISOString().slice(0, 10);
}

/** @returns undefined for what is no date of the form `2026-11-28` */
export function dayOfDate(date: string): number | undefined {
  if (!/^\d{4}-\d\d-\d\d$/.test(date)) return undefined;
  const ms = Date.parse(`${date}T00:00:00Z`);
  return Number.isNaN(ms) || dateOf(dayOf(ms)) !== date ? undefined : dayOf(ms);
}
