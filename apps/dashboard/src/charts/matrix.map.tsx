import { formatShare } from '../numbers.js';
import { useWidth } from './use.width.js';

interface MatrixMapProps {
  readonly title: string;
  /** `[layers][heads]`, shares from 0 to 1. */
  readonly values: readonly (readonly number[])[];
  readonly layers: readonly number[];
  readonly chosen: { readonly layer: number | null; readonly head: number | null };
  readonly onChoose: (layer: number, head: number) => void;
}

const LEFT = 34;
const TOP = 18;

/** Layers down, heads across. The choice of a layer and a head stands above it as well, for the keyboard. */
export function MatrixMap({ title, values, layers, chosen, onChoose }: MatrixMapProps) {
  const [frame, width] = useWidth<HTMLElement>(240);
  const heads = Math.max(1, ...values.map((row) => row.length));
  const cell = Math.max(4, Math.min(40, (width - LEFT) / heads));
  const high = Math.max(6, Math.min(20, 480 / Math.max(1, values.length)));
  const all = values.flat();
  const [least, most] = [Math.min(...all), Math.max(...all)];
  const label = `${title}: ${values.length} layers, ${heads} heads, from ${formatShare(least)} to ${formatShare(most)}`;
  return (
    <figure className="matrix" ref={frame}>
      <figcaption>
        {title}
        <small>
          {formatShare(least)} to {formatShare(most)}
        </small>
      </figcaption>
      <svg width={LEFT + heads * cell} height={TOP + values.length * high} role="img" aria-label={label}>
        <text x={LEFT} y={11}>
          head 0{heads > 1 ? ` to ${heads - 1}` : ''}
        </text>
        {values.map((row, i) => (
          <g key={layers[i]}>
            {high < 11 && i % 4 !== 0 ? null : (
              <text x={LEFT - 5} y={TOP + i * high + high / 2 + 4} textAnchor="end">
                {layers[i]}
              </text>
            )}
            {row.map((value, head) => (
              <rect
                key={head}
                x={LEFT + head * cell}
                y={TOP + i * high}
                width={cell - 1}
                height={high - 1}
                className={chosen.layer === layers[i] && chosen.head === head ? 'cell chosen' : 'cell'}
                fillOpacity={most === least ? 0.6 : 0.06 + 0.94 * ((value - least) / (most - least))}
                onClick={() => {
                  onChoose(layers[i], head);
                }}
              >
                <title>{`layer ${layers[i]}, head ${head}: ${formatShare(value)}`}</title>
              </rect>
            ))}
          </g>
        ))}
      </svg>
    </figure>
  );
}
