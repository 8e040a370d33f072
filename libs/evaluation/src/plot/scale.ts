/** Maps values of an axis to pixels. */
export type Scale = (value: number) => number;

export interface Range {
  readonly from: number;
  readonly to: number;
}

export function linearScale(domain: Range, pixels: Range): Scale {
  const span = domain.to - domain.from || 1;
  return (value) => pixels.from + ((value - domain.from) / span) * (pixels.to - pixels.from);
}

export function logScale(domain: Range, pixels: Range): Scale {
  const inner = linearScale({ from: Math.log(domain.from), to: Math.log(domain.to) }, pixels);
  return (value) => inner(Math.log(value));
}

/** Round numbers that cover a range, about `count` of them: steps of 1, 2 or 5 times a power of ten. */
export function niceTicks({ from, to }: Range, count = 5): number[] {
  const raw = Math.max(to - from, Number.MIN_VALUE) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = ([1, 2, 5, 10].find((factor) => factor * power >= raw * 0.999) ?? 10) * power;
  const ticks: number[] = [];
  for (let i = Math.floor(from / step + 1e-9); ; i++) {
    const tick = Number((i * step).toPrecision(12));
    ticks.push(tick);
    if (tick >= to - step * 1e-9) return ticks;
  }
}
