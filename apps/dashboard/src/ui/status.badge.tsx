const TONES: Readonly<Record<string, string>> = {
  completed: 'good',
  ready: 'good',
  enabled: 'good',
  delivered: 'good',
  failed: 'bad',
  expired: 'bad',
  cancelled: 'dull',
  disabled: 'dull',
  waiting: 'dull',
  unknown: 'dull',
  ending: 'dull',
};

/** A status in its word; the colour only repeats it. */
export function StatusBadge({ status }: { readonly status: string }) {
  return <span className={`badge ${TONES[status] ?? 'busy'}`}>{status.replaceAll('_', ' ')}</span>;
}
