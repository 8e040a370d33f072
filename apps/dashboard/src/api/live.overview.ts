import { useEffect, useState } from 'react';
import { getJson } from './http.js';
import type { Overview } from './types.js';

const AGAIN_MS = 3_000;
/** A stream that ended, as each does after a minute, is not missed before. In milliseconds. */
const QUIET_MS = 5_000;

/** The overview as it changes. A stream that breaks off is opened again, by the browser or here. */
export function useLiveOverview(): { readonly overview: Overview | undefined; readonly live: boolean } {
  const [overview, setOverview] = useState<Overview>();
  const [live, setLive] = useState(false);
  useEffect(() => {
    const over = new AbortController();
    let missing: ReturnType<typeof setTimeout> | undefined;
    const heard = (): void => {
      clearTimeout(missing);
      setLive(true);
      missing = setTimeout(() => {
        setLive(false);
      }, QUIET_MS);
    };
    const open = (): void => {
      const events = new EventSource('/v1/overview/events');
      over.signal.addEventListener('abort', () => {
        events.close();
      });
      events.onmessage = ({ data }: MessageEvent<string>) => {
        setOverview(JSON.parse(data) as Overview);
        heard();
      };
      events.onerror = () => {
        // A browser goes on after a connection that broke, and not after an answer that says no.
        if (events.readyState === EventSource.CLOSED) again();
      };
    };
    const again = (): void => {
      setTimeout(() => {
        if (over.signal.aborted) return;
        // Where the session is over, this says so.
        getJson('/v1/overview', over.signal).then(open, () => {
          if (!over.signal.aborted) again();
        });
      }, AGAIN_MS);
    };
    open();
    return () => {
      over.abort();
      clearTimeout(missing);
    };
  }, []);
  return { overview, live };
}
