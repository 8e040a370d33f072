import type { ReactNode } from 'react';
import { formatBytes, formatShare } from '../numbers.js';

/** A number with its name, and what it rests on below it. */
export function Figure({
  name,
  value,
  detail,
}: {
  readonly name: string;
  readonly value: ReactNode;
  readonly detail?: ReactNode;
}) {
  return (
    <div className="figure">
      <dt>{name}</dt>
      <dd>
        <strong>{value}</strong>
        {detail === undefined ? null : <small>{detail}</small>}
      </dd>
    </div>
  );
}

export function Figures({ children }: { readonly children: ReactNode }) {
  return <dl className="figures">{children}</dl>;
}

/** A share as a bar, with its number for those who do not see it. */
export function ShareBar({
  share,
  label,
  tone,
}: {
  readonly share: number;
  readonly label: string;
  readonly tone?: string;
}) {
  const percent = Math.max(0, Math.min(100, 100 * share));
  return (
    <span className={`share ${tone ?? ''}`} role="img" aria-label={`${label}: ${formatShare(share)}`}>
      <span style={{ width: `${percent}%` }} />
    </span>
  );
}

/** Full, peak and kept cache, each against the largest. */
export function CacheBars({
  bytes,
}: {
  readonly bytes: { readonly full: number; readonly peak: number; readonly kept: number };
}) {
  const most = Math.max(1, bytes.full, bytes.peak);
  return (
    <div className="cache-bars">
      {(['full', 'peak', 'kept'] as const).map((name) => (
        <div key={name}>
          <span>{name}</span>
          <ShareBar share={bytes[name] / most} label={`cache, ${name}`} tone={name} />
          <span className="number">
            {formatBytes(bytes[name])} <small>{formatShare(bytes[name] / Math.max(1, bytes.full))}</small>
          </span>
        </div>
      ))}
    </div>
  );
}
