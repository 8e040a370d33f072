/** Numbers with their units, as the command shows them. */
export { formatBytes, formatCount, formatMs, formatTime } from '@madakv/insight/numbers';

/** 0.1234 as 12.3 %. */
export function formatShare(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

/** How long ago, for people. @param ms since 1970 */
export function formatAgo(ms: number, nowMs = Date.now()): string {
  const seconds = Math.max(0, Math.round((nowMs - ms) / 1000));
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86_400)} d ago`;
}
