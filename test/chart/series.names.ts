import { METRICS } from '@madakv/contracts';

/** What a collector between processes and Prometheus adds to names: their units. */
const SUFFIXES: Readonly<Partial<Record<string, string>>> = { By: '_bytes', s: '_seconds' };

/** The name by which a series of a process's own exporter comes by way of a collector. */
export function collectedName(series: string): string {
  const metric = Object.values(METRICS).find(({ name }) => series.startsWith(name.replaceAll('.', '_')));
  const start = metric?.name.replaceAll('.', '_') ?? series;
  return `${start}${SUFFIXES[metric?.unit ?? ''] ?? ''}${series.slice(start.length)}`;
}
