import { formatCount } from '../numbers.js';
import { useWidth } from './use.width.js';

export interface LayerFigures {
  readonly layer: number;
  readonly budget: number;
  readonly demand: number;
  readonly compensation: number;
  readonly rows: number;
}

const HEIGHT = 190;
const LEFT = 52;
const BOTTOM = 20;

/** Of each layer the rows a head that it kept, what it was meant to keep, what attention asked for, and what it gave or took. */
export function LayerBars({ layers }: { readonly layers: readonly LayerFigures[] }) {
  const [frame, width] = useWidth<HTMLElement>();
  const most = Math.max(1, ...layers.flatMap(({ budget, demand, rows }) => [budget, demand, rows]));
  // What is all but nothing is none: its label would be a zero below zero.
  const lowest = Math.min(0, ...layers.map(({ compensation }) => compensation));
  const least = lowest > -0.5 ? 0 : lowest;
  const step = (width - LEFT - 8) / Math.max(1, layers.length);
  const y = (value: number): number => 8 + ((most - value) / (most - least)) * (HEIGHT - 8 - BOTTOM);
  const middle = (i: number): number => LEFT + (i + 0.5) * step;
  const line = (of: (layer: LayerFigures) => number): string =>
    layers.map((layer, i) => `${i === 0 ? 'M' : 'L'}${middle(i).toFixed(1)} ${y(of(layer)).toFixed(1)}`).join('');
  return (
    <figure className="chart" ref={frame}>
      <figcaption>
        Rows a head, by layer
        <span className="legend">
          <span className="s1">kept</span>
          <span className="s2">budget</span>
          <span className="s3">demand</span>
          <span className="s4">compensation</span>
        </span>
      </figcaption>
      <svg
        width={width}
        height={HEIGHT}
        role="img"
        aria-label={`Budget, demand and compensation of ${layers.length} layers: the table below has the numbers`}
      >
        {(least < 0 ? [least, 0, most] : [0, most]).map((value) => (
          <g key={value} className="grid">
            <line x1={LEFT} x2={width - 8} y1={y(value)} y2={y(value)} />
            <text x={LEFT - 6} y={y(value) + 4} textAnchor="end">
              {formatCount(value)}
            </text>
          </g>
        ))}
        {layers.map(({ layer, rows, compensation }, i) => (
          <g key={layer}>
            <rect
              className="bar s1"
              x={middle(i) - step * 0.36}
              width={step * 0.42}
              y={y(rows)}
              height={y(0) - y(rows)}
            />
            <rect
              className="bar s4"
              x={middle(i) + step * 0.1}
              width={step * 0.26}
              y={y(Math.max(0, compensation))}
              height={Math.abs(y(0) - y(compensation))}
            />
            {layers.length <= 24 || i % 8 === 0 ? (
              <text className="axis" x={middle(i)} y={HEIGHT - 4} textAnchor="middle">
                {layer}
              </text>
            ) : null}
          </g>
        ))}
        <path className="line s2" d={line(({ budget }) => budget)} />
        <path className="line s3" d={line(({ demand }) => demand)} />
      </svg>
      <details>
        <summary>Numbers of the layers</summary>
        <div className="scroll" tabIndex={0} role="region" aria-label="Numbers of the layers">
          <table>
            <thead>
              <tr>
                <th scope="col">Layer</th>
                <th scope="col">Budget</th>
                <th scope="col">Demand</th>
                <th scope="col">Compensation</th>
                <th scope="col">Rows kept</th>
              </tr>
            </thead>
            <tbody>
              {layers.map(({ layer, budget, demand, compensation, rows }) => (
                <tr key={layer}>
                  <th scope="row">{layer}</th>
                  {[budget, demand, compensation].map((value, i) => (
                    <td key={i} className="number">
                      {value.toFixed(1)}
                    </td>
                  ))}
                  <td className="number">{formatCount(rows)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
    </figure>
  );
}
