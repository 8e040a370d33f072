import { useEffect, useRef, useState } from 'react';
import { postJson } from '../api/http.js';
import type { SessionObject } from '../api/types.js';
import { ErrorNotice } from '../ui/notice.js';

/** How the address begins that signs in by itself. */
export const LINK = '#link=';

/** Asks for a key, or takes the link's. */
export function SignInView({ onSignedIn }: { readonly onSignedIn: (session: SessionObject) => void }) {
  const [key, setKey] = useState('');
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const tried = useRef(false);
  const signIn = async (body: object): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      onSignedIn(await postJson<SessionObject>('/v1/session', body));
    } catch (refused) {
      setError(refused);
    } finally {
      setBusy(false);
    }
  };
  useEffect(() => {
    if (!location.hash.startsWith(LINK) || tried.current) return;
    // It serves once, and is nobody's business afterwards. What is no token is refused in the gateway's words.
    const link = location.hash.slice(LINK.length);
    tried.current = true;
    history.replaceState(null, '', location.pathname);
    void signIn({ link });
  });
  return (
    <main className="sign-in">
      <img src="/icon.svg" alt="" width="40" height="40" />
      <h1>madakv</h1>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void signIn({ api_key: key });
        }}
      >
        <label htmlFor="key">API key</label>
        <input
          id="key"
          type="password"
          autoComplete="current-password"
          spellCheck={false}
          required
          value={key}
          onChange={({ target }) => {
            setKey(target.value);
          }}
        />
        <button type="submit" className="primary" disabled={busy}>
          {busy ? 'Signing in…' : 'Sign in'}
        </button>
      </form>
      <ErrorNotice error={error} />
      <p>
        <small>
          <code>madakv up</code> prints a link that signs in by itself, and its key. The key stays on this host: the
          browser gets a session of 12 hours for it.
        </small>
      </p>
    </main>
  );
}
