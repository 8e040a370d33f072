import { useEffect, useRef } from 'react';
import type { ImagePlace } from '../api/types.js';
import { formatCount, formatShare } from '../numbers.js';
import { textRuns, type Run } from './cells.js';
import { drawCells } from './heat.bytes.js';

const COLUMNS = 64;
const CELL = 8;

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
