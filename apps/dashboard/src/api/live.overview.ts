import { useEffect, useState } from 'react';
import type { Overview } from './types.js';

/** The overview as it changes. The browser comes back by itself when the stream breaks off. */
export function useLiveOverview(): { readonly overview: Overview | undefined; readonly live: boolean } {
  const [overview, setOverview] = useState<Overview>();
  const [live, setLive] = useState(false);
  useEffect(() => {
    const events = new EventSource('/v1/overview/events');
    events.onmessage = ({ data }: MessageEvent<string>) => {
      setOverview(JSON.parse(data) as Overview);
      setLive(true);
    };
    events.onerror = () => {
      setLive(false);
    };
    return () => {
      events.close();
    };
  }, []);
  return { overview, live };
}
