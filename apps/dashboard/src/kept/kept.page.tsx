import { useEffect, useRef, useState } from 'react';
import type { ImagePlace } from '../api/types.js';
import { formatCount, formatShare } from '../numbers.js';
import { Notice } from '../ui/notice.js';
import { cellsOf } from './cells.js';
import { drawCells } from './heat.bytes.js';

/** Pixels of the overlay a cell; the browser stretches it over the page. */
const CELL = 4;

interface KeptPageProps {
  /** Of the element. */
  readonly id: string;
  readonly image: ImagePlace;
  /** Of the whole prompt. */
  readonly heat: Uint8Array;
  readonly showPage: boolean;
  readonly showCells: boolean;
}

/** What an image of a request is called. */
export function imageName({ page, index }: Pick<ImagePlace, 'page' | 'index'>): string {
  return page === null ? `Image ${index + 1}` : `Page ${page}`;
}

/** Id of the element that shows an image of a request. */
export function imageElement(requestId: string, index: number): string {
  return `${requestId}-image-${index}`;
}

/** A page with what was kept of it laid over. */
export function KeptPage({ id, image, heat, showPage, showCells }: KeptPageProps) {
  const { part, width, height, rows, columns, url, index } = image;
  const canvas = useRef<HTMLCanvasElement>(null);
  const [gone, setGone] = useState(false);
  const cells = cellsOf(image, heat);
  useEffect(() => {
    if (canvas.current !== null && columns > 0) drawCells(canvas.current, cells, columns, rows, CELL);
  });
  const kept = cells.filter((cell) => cell > 0).length;
  const name = imageName(image);
  const figures = `${formatCount(kept)} of ${formatCount(cells.length)} cells kept by some head`;
  return (
    <figure className="kept-page" id={id} tabIndex={-1}>
      <figcaption>
        <b>{name}</b> <small title={part}>{`${columns}×${rows} cells, ${width}×${height} px`}</small>
        <small>
          {cells.length === 0
            ? 'its place in the prompt is not known'
            : `${figures} (${formatShare(kept / cells.length)})`}
        </small>
      </figcaption>
      <div className="sheet" style={{ aspectRatio: `${width} / ${height}` }}>
        {url !== null && !gone && showPage ? (
          <img
            src={url}
            alt={`${name} as it was read`}
            loading="lazy"
            onError={() => {
              setGone(true);
            }}
          />
        ) : null}
        {gone ? (
          <Notice kind="empty">
            The picture is not kept any more: it goes some days after the last question about it.
          </Notice>
        ) : null}
        {showCells && cells.length > 0 ? (
          <canvas ref={canvas} role="img" aria-label={`${name}: ${figures}`} data-image={index} />
        ) : null}
      </div>
    </figure>
  );
}
