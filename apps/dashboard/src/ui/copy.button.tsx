import { useState } from 'react';

/** Copies a text, and says that it did. */
export function CopyButton({ text, what }: { readonly text: string; readonly what: string }) {
  const [said, setSaid] = useState('');
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      setSaid('Copied');
    } catch {
      setSaid('Your browser does not allow it: select the text');
    }
  };
  return (
    <span className="copy">
      <button type="button" className="quiet" onClick={() => void copy()}>
        Copy {what}
      </button>
      <span role="status">{said}</span>
    </span>
  );
}
