import { useEffect, useRef } from 'react';
import type { ImagePlace } from '../api/types.js';
import { formatCount, formatShare } from '../numbers.js';
import { drawCells } from './heat.bytes.js';

const COLUMNS = 64;
const CELL = 8;

interface Run {
  readonly start: number;
  readonly end: number;
}

/** What of the prompt is no image, in runs. */
export function textRuns(tokens: number, images: readonly ImagePlace[]): Run[] {
  const runs: Run[] = [];
  let at = 0;
  for (const { start, rows, columns } of [...images].sort((a, b) => (a.start ?? 0) - (b.start ?? 0))) {
    if (start === null) continue;
    if (start > at) runs.push({ start: at, end: start });
    at = Math.max(at, start + rows * columns);
  }
  if (at < tokens) runs.push({ start: at, end: tokens });
  return runs;
}

/** The text tokens of a prompt as cells. A trace has no text, so they have numbers. */
export function KeptText({ heat, images }: { readonly heat: Uint8Array; readonly images: readonly ImagePlace[] }) {
  const runs = textRuns(heat.length, images);
  return (
    <div className="kept-text">
      {runs.map((run) => (
        <TextRun key={run.start} run={run} heat={heat} />
      ))}
    </div>
  );
}

function TextRun({ run: { start, end }, heat }: { readonly run: Run; readonly heat: Uint8Array }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const cells = heat.subarray(start, end);
  const columns = Math.min(COLUMNS, cells.length);
  useEffect(() => {
    if (canvas.current !== null) drawCells(canvas.current, cells, columns, Math.ceil(cells.length / columns), CELL);
  });
  const kept = cells.filter((cell) => cell > 0).length;
  const label = `Tokens ${formatCount(start)} to ${formatCount(end - 1)}: ${formatShare(kept / cells.length)} kept by some head`;
  return (
    <figure>
      <figcaption>
        <small>{label}</small>
      </figcaption>
      <canvas ref={canvas} role="img" aria-label={label} />
    </figure>
  );
}
