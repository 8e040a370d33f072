import { useWidth } from './use.width.js';

export interface Series {
  readonly name: string;
  /** One a point; null where nothing is known. */
  readonly values: readonly (number | null)[];
  /** Class that gives the colour: `s1` to `s4`. */
  readonly tone: string;
  readonly area?: boolean;
}

interface TimeChartProps {
  readonly title: string;
  /** Milliseconds since 1970, ascending. */
  readonly at: readonly number[];
  readonly series: readonly Series[];
  readonly format: (value: number) => string;
  readonly height?: number;
  /** Whether a value stands until the next one, as what is held does. */
  readonly steps?: boolean;
  readonly formatAt?: (ms: number) => string;
}

const LEFT = 64;
const BOTTOM = 20;
const TOP = 8;

/** Lines over time. For those who do not see it, each line's last and largest value. */
export function TimeChart({
  title,
  at,
  series,
  format,
  height = 170,
  steps = false,
  formatAt = clock,
}: TimeChartProps) {
  const [frame, width] = useWidth<HTMLElement>();
  const known = series.flatMap(({ values }) => values.filter((value) => value !== null));
  const most = Math.max(0, ...known);
  const top = most === 0 ? 1 : most * 1.08;
  const [from, to] = [at[0] ?? 0, at.at(-1) ?? 1];
  const x = (ms: number): number => LEFT + ((ms - from) / Math.max(1, to - from)) * (width - LEFT - 8);
  const y = (value: number): number => TOP + (1 - value / top) * (height - TOP - BOTTOM);
  const label = `${title}. ${series.map((one) => spoken(one, format)).join('. ')}`;
  return (
    <figure className="chart" ref={frame}>
      <figcaption>
        {title}
        <span className="legend">
          {series.map(({ name, tone, values }) => (
            <span key={name} className={tone}>
              {name} <b>{format(values.findLast((value) => value !== null) ?? 0)}</b>
            </span>
          ))}
        </span>
      </figcaption>
      <svg width={width} height={height} role="img" aria-label={label}>
        {[0, 0.5, 1].map((share) => (
          <g key={share} className="grid">
            <line x1={LEFT} x2={width - 8} y1={y(share * most)} y2={y(share * most)} />
            {most === 0 && share > 0 ? null : (
              <text x={LEFT - 6} y={y(share * most) + 4} textAnchor="end">
                {format(share * most)}
              </text>
            )}
          </g>
        ))}
        {at.length < 2 ? null : (
          <g className="grid">
            <text x={LEFT} y={height - 4}>
              {formatAt(from)}
            </text>
            <text x={width - 8} y={height - 4} textAnchor="end">
              {formatAt(to)}
            </text>
          </g>
        )}
        {series.map(({ name, values, tone, area }) => {
          const line = pathOf(at, values, x, y, steps);
          return (
            <g key={name} className={`line ${tone}`}>
              {area === true ? <path className="area" d={areaOf(at, values, x, y, steps)} /> : null}
              <path d={line} />
            </g>
          );
        })}
      </svg>
    </figure>
  );
}

function spoken({ name, values }: Series, format: (value: number) => string): string {
  const known = values.filter((value) => value !== null);
  const last = known.at(-1);
  return last === undefined
    ? `${name}: nothing yet`
    : `${name}: now ${format(last)}, at most ${format(Math.max(...known))}`;
}

type Scale = (value: number) => number;

function pathOf(at: readonly number[], values: Series['values'], x: Scale, y: Scale, steps: boolean): string {
  let path = '';
  let before: number | null = null;
  for (const [i, value] of values.entries()) {
    if (value === null) before = null;
    else {
      const [px, py] = [x(at[i]).toFixed(1), y(value).toFixed(1)];
      // One that stands alone is a ring.
      const alone = before === null && (values[i + 1] ?? null) === null;
      if (alone) path += `M${x(at[i]) - 2.5} ${py}a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0 -5 0`;
      else if (before === null) path += `M${px} ${py}`;
      else path += steps ? `H${px}V${py}` : `L${px} ${py}`;
      before = value;
    }
  }
  return path;
}

/** Closed at the ground, piece by piece. */
function areaOf(at: readonly number[], values: Series['values'], x: Scale, y: Scale, steps: boolean): string {
  let path = '';
  let start = 0;
  for (let i = 0; i <= values.length; i++) {
    if (i < values.length && values[i] !== null) continue;
    if (i - start > 1) {
      const line = pathOf(at.slice(start, i), values.slice(start, i), x, y, steps);
      path += `${line}V${y(0).toFixed(1)}H${x(at[start]).toFixed(1)}Z`;
    }
    start = i + 1;
  }
  return path;
}

function clock(ms: number): string {
  return new Date(ms).toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' });
}
