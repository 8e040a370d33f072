import { useInfiniteQuery } from '@tanstack/react-query';
import { memo, useEffect, useRef } from 'react';
import { ApiError, getJson, withQuery } from '../api/http.js';
import type { ImagePlace, PromptPiece, RequestText } from '../api/types.js';
import { formatCount, formatShare } from '../numbers.js';
import { ErrorNotice, Notice } from '../ui/notice.js';
import { imageElement, imageName } from './kept.page.js';
import { KeptText } from './kept.text.js';
import { mostOf, shadeOf, visibleText } from './visible.text.js';

/** Pieces that are fetched at a time; the next follow when their end comes near. */
const PAGE = 2_048;
/** Pieces of a paragraph that is laid out only where it is seen. */
const MANY = 1_000;

interface KeptWordsProps {
  /** Of the request. */
  readonly id: string;
  /** Of the whole prompt. */
  readonly heat: Uint8Array;
  readonly images: readonly ImagePlace[];
  readonly onImage: (index: number) => void;
}

/** The prompt as it was read, every token shaded by how many heads kept it. Where its text is gone, its tokens are cells. */
export function KeptWords({ id, heat, images, onImage }: KeptWordsProps) {
  const text = useInfiniteQuery({
    queryKey: ['text', id],
    queryFn: ({ pageParam, signal }) =>
      getJson<RequestText>(
        withQuery(`/v1/requests/${encodeURIComponent(id)}/text`, { from: pageParam, limit: PAGE }),
        signal,
      ),
    initialPageParam: 0,
    getNextPageParam: ({ next }) => next,
    staleTime: Infinity,
  });
  const { fetchNextPage, hasNextPage, isFetchingNextPage } = text;
  if (text.isPending) return <p className="waiting">Loading…</p>;
  if (text.data === undefined) {
    return (
      <>
        {text.error instanceof ApiError && text.error.status === 404 ? (
          <Notice kind="empty">
            The words of this prompt are not kept, or not any more: they go with the pictures of pages. Its text tokens
            are cells.
          </Notice>
        ) : (
          <ErrorNotice error={text.error} />
        )}
        <KeptText heat={heat} images={images} />
      </>
    );
  }
  return (
    <div className="words" tabIndex={0} role="region" aria-label="The prompt as it was read">
      {text.data.pages.map(({ data }) => (
        <Words key={data.at(0)?.start ?? 0} id={id} pieces={data} heat={heat} images={images} onImage={onImage} />
      ))}
      <ErrorNotice error={text.error} />
      {hasNextPage ? (
        <More busy={isFetchingNextPage} byItself={text.error === null} onWanted={() => void fetchNextPage()} />
      ) : null}
    </div>
  );
}

interface MoreProps {
  readonly busy: boolean;
  /** Not after it has failed: it would do so again and again. Who presses it wants it tried again. */
  readonly byItself: boolean;
  readonly onWanted: () => void;
}

/** Asks for more when it is pressed, and by itself when it is about to be seen. */
function More({ busy, byItself, onWanted }: MoreProps) {
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (busy || !byItself || button.current === null) return;
    const watch = new IntersectionObserver(
      (seen) => {
        if (seen.some(({ isIntersecting }) => isIntersecting)) onWanted();
      },
      { rootMargin: '600px' },
    );
    watch.observe(button.current);
    return () => {
      watch.disconnect();
    };
  });
  return (
    <button ref={button} type="button" className="quiet" onClick={onWanted} disabled={busy}>
      {byItself ? 'Show more of the prompt' : 'Try again'}
    </button>
  );
}

interface WordsProps extends KeptWordsProps {
  readonly pieces: readonly PromptPiece[];
}

const Words = memo(function Words({ id, pieces, heat, images, onImage }: WordsProps) {
  return (
    <p className={pieces.length > MANY ? 'many' : undefined}>
      {pieces.map((piece) =>
        piece.kind === 'image' ? (
          <ImageChip
            key={piece.start}
            id={id}
            piece={piece}
            image={images[piece.image]}
            heat={heat}
            onImage={onImage}
          />
        ) : (
          <span
            key={piece.start}
            className={`${piece.kind === 'special' ? 'special ' : ''}k${shadeOf(heat, piece.start, piece.tokens)}`}
            title={`${tokensOf(piece)}: kept by ${formatShare(mostOf(heat, piece.start, piece.tokens) / 255)} of the heads`}
          >
            {piece.kind === 'special' ? piece.text : visibleText(piece.text)}
          </span>
        ),
      )}
    </p>
  );
}, sameWords);

function tokensOf({ start, tokens }: PromptPiece): string {
  return tokens === 1 ? `token ${start}` : `tokens ${start} to ${start + tokens - 1}`;
}

/** What a chip does may be another function each time; what it leads to is not. */
function sameWords(before: WordsProps, now: WordsProps): boolean {
  return before.pieces === now.pieces && before.heat === now.heat && before.images === now.images;
}

interface ImageChipProps {
  readonly id: string;
  readonly piece: Extract<PromptPiece, { kind: 'image' }>;
  readonly image: ImagePlace | undefined;
  readonly heat: Uint8Array;
  readonly onImage: (index: number) => void;
}

/** All the tokens of an image. */
function ImageChip({ id, piece: { start, tokens, image: index }, image, heat, onImage }: ImageChipProps) {
  const name = image === undefined ? `Image ${index + 1}` : imageName(image);
  const kept = heat.subarray(start, start + tokens).filter((cell) => cell > 0).length;
  return (
    <a
      href={`#${imageElement(id, index)}`}
      className="chip"
      title={`${formatShare(kept / tokens)} of its tokens kept by some head`}
      onClick={(event) => {
        event.preventDefault();
        onImage(index);
      }}
    >
      {name.toLowerCase()}, {formatCount(tokens)} tokens
    </a>
  );
}
