const KEY = 'madakv.answers';
const MOST = 50;

/**
 * Answers that this tab has seen, by request: the server keeps none of a chat completion. They go with the tab.
 */
export const knownAnswers = {
  get(id: string): string | undefined {
    return read()[id];
  },
  set(id: string, text: string): void {
    const entries = [...Object.entries(read()).filter(([other]) => other !== id), [id, text]].slice(-MOST);
    try {
      sessionStorage.setItem(KEY, JSON.stringify(Object.fromEntries(entries)));
    } catch {
      // A tab without storage forgets.
    }
  },
};

function read(): Record<string, string> {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? '{}') as Record<string, string>;
  } catch {
    return {};
  }
}
