import { useQuery } from '@tanstack/react-query';
import { useMemo, useState } from 'react';
import { flushSync } from 'react-dom';
import { getJson, withQuery } from '../api/http.js';
import type { Heat, TraceView } from '../api/types.js';
import { ErrorNotice, Notice } from '../ui/notice.js';
import { heatBytes } from './heat.bytes.js';
import { imageElement, KeptPage } from './kept.page.js';
import { KeptWords } from './kept.words.js';

export interface Choice {
  readonly layer: number | null;
  readonly head: number | null;
}

export const ALL: Choice = { layer: null, head: null };

/** Pages that are drawn at once; the others follow on demand. */
const AT_ONCE = 12;

interface KeptPagesProps {
  readonly view: TraceView;
  readonly choice: Choice;
  readonly compact?: boolean;
}

/** All pages of a request with what was kept of them, and its text tokens the same. */
export function KeptPages({ view, choice, compact = false }: KeptPagesProps) {
  const { trace, images } = view;
  const [showPage, setShowPage] = useState(true);
  const [showCells, setShowCells] = useState(true);
  const [shown, setShown] = useState(AT_ONCE);
  const whole = choice.layer === null && choice.head === null;
  const chosen = useQuery({
    queryKey: ['heat', trace.id, choice.layer, choice.head],
    queryFn: ({ signal }) => getJson<Heat>(withQuery(`/v1/requests/${trace.id}/heat`, { ...choice }), signal),
    enabled: !whole && view.heat !== null,
    placeholderData: (before) => before,
    staleTime: Infinity,
  });
  const lookAt = (index: number): void => {
    // It has to be there before it can be gone to.
    flushSync(() => {
      setShown((now) => Math.max(now, index + 1));
    });
    const element = document.getElementById(imageElement(trace.id, index));
    element?.scrollIntoView({ block: 'nearest' });
    element?.focus({ preventScroll: true });
  };
  const heat = whole ? view.heat : (chosen.data ?? view.heat);
  const bytes = useMemo(() => (heat === null ? undefined : heatBytes(heat)), [heat]);
  if (bytes === undefined) return <Notice kind="empty">This trace says nothing of the rows that were kept.</Notice>;
  return (
    <div className={compact ? 'kept compact' : 'kept'}>
      <div className="options">
        {images.length === 0 ? null : (
          <>
            <label>
              <input
                type="checkbox"
                checked={showCells}
                onChange={({ target }) => {
                  setShowCells(target.checked);
                }}
              />
              kept cells
            </label>
            <label>
              <input
                type="checkbox"
                checked={showPage}
                onChange={({ target }) => {
                  setShowPage(target.checked);
                }}
              />
              page
            </label>
          </>
        )}
        <span className="scale" aria-hidden="true">
          <i className="none" /> nobody <i className="some" /> some <i className="all" /> all heads kept it
        </span>
      </div>
      <ErrorNotice error={chosen.error} />
      <div className="sheets">
        {images.slice(0, shown).map((image) => (
          <KeptPage
            key={image.index}
            id={imageElement(trace.id, image.index)}
            image={image}
            heat={bytes}
            showPage={showPage}
            showCells={showCells}
          />
        ))}
      </div>
      {images.length > shown ? (
        <button
          type="button"
          onClick={() => {
            setShown((now) => now + AT_ONCE);
          }}
        >
          Show {Math.min(AT_ONCE, images.length - shown)} more of {images.length} pages
        </button>
      ) : null}
      <h3>The prompt in words</h3>
      <KeptWords id={trace.id} heat={bytes} images={images} onImage={lookAt} />
    </div>
  );
}
