import { useWidth } from '../charts/use.width.js';
import { formatCount } from '../numbers.js';
import type { DayOfTokens } from './usage.days.js';

const HEIGHT = 200;
const LEFT = 52;
const BOTTOM = 20;
const TOP = 8;

/** What a bar is made of, from the ground up. */
const PARTS = [
  ['computed', 'prompt', 's2'],
  ['cached', 'prompt, cached', 's4'],
  ['completion', 'answer', 's1'],
] as const;

/** Tokens by day, as bars. The table below has the numbers for those who do not see them. */
export function UsageBars({ days }: { readonly days: readonly DayOfTokens[] }) {
  const [frame, width] = useWidth<HTMLElement>();
  const most = Math.max(1, ...days.map(totalOf));
  const step = (width - LEFT - 8) / Math.max(1, days.length);
  const y = (value: number): number => TOP + (1 - value / most) * (HEIGHT - TOP - BOTTOM);
  const highest = days.find((day) => totalOf(day) === most);
  const label =
    `Tokens by day, from ${days[0]?.date ?? ''} to ${days.at(-1)?.date ?? ''}` +
    (highest === undefined ? '' : `; at most ${formatCount(most)}, on ${highest.date}`);
  return (
    <figure className="chart" ref={frame}>
      <figcaption>
        Tokens by day (UTC)
        <span className="legend">
          {PARTS.map(([part, name, tone]) => (
            <span key={part} className={tone}>
              {name} <b>{formatCount(days.reduce((sum, day) => sum + day[part], 0))}</b>
            </span>
          ))}
        </span>
      </figcaption>
      <svg width={width} height={HEIGHT} role="img" aria-label={label}>
        {[0, 0.5, 1].map((share) => (
          <g key={share} className="grid">
            <line x1={LEFT} x2={width - 8} y1={y(share * most)} y2={y(share * most)} />
            <text x={LEFT - 6} y={y(share * most) + 4} textAnchor="end">
              {compact(share * most)}
            </text>
          </g>
        ))}
        <g className="grid">
          <text x={LEFT} y={HEIGHT - 4}>
            {days[0]?.date}
          </text>
          <text x={width - 8} y={HEIGHT - 4} textAnchor="end">
            {days.at(-1)?.date}
          </text>
        </g>
        {days.map((day, i) => (
          <DayBar key={day.date} day={day} x={LEFT + (i + 0.15) * step} width={0.7 * step} y={y} />
        ))}
      </svg>
    </figure>
  );
}

interface DayBarProps {
  readonly day: DayOfTokens;
  readonly x: number;
  readonly width: number;
  /** From tokens to the height on the screen. */
  readonly y: (tokens: number) => number;
}

function DayBar({ day, x, width, y }: DayBarProps) {
  let ground = 0;
  return (
    <g>
      <title>
        {day.date}: {PARTS.map(([part, name]) => `${name} ${formatCount(day[part])}`).join('; ')}
      </title>
      {PARTS.map(([part, , tone]) => {
        const from = ground;
        ground += day[part];
        if (day[part] === 0) return null;
        return (
          <rect key={part} className={`bar ${tone}`} x={x} width={width} y={y(ground)} height={y(from) - y(ground)} />
        );
      })}
    </g>
  );
}

function totalOf({ computed, cached, completion }: DayOfTokens): number {
  return computed + cached + completion;
}

/** 1,234,567 as 1.2M: there is room for no more beside the bars. */
function compact(tokens: number): string {
  return tokens.toLocaleString('en-US', { notation: 'compact', maximumFractionDigits: 1 });
}
