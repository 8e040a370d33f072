import { useEffect, useRef, useState } from 'react';
import { postJson } from '../api/http.js';
import type { SessionObject } from '../api/types.js';
import { ErrorNotice } from '../ui/notice.js';

/** How the address begins that signs in by itself. */
export const LINK = '#link=';

interface SignInProps {
  /** Token of a link that signs in, good for once. */
  readonly link: string | undefined;
  /** Who is signed in already. */
  readonly session: SessionObject | undefined;
  readonly onSignedIn: (session: SessionObject) => void;
  /** The link is not wanted. */
  readonly onStay: () => void;
}

/** Asks for a key, or takes the link's: at once where nobody is signed in, as anybody can make a link to sign others in with. */
export function SignInView({ link, session, onSignedIn, onStay }: SignInProps) {
  const [key, setKey] = useState('');
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const tried = useRef<string>(undefined);
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
    if (link === undefined || session !== undefined || tried.current === link) return;
    tried.current = link;
    history.replaceState(null, '', location.pathname);
    // What is no token is refused in the gateway's words.
    void signIn({ link });
  });
  if (link !== undefined && session !== undefined) {
    return (
      <main className="sign-in">
        <img src="/icon.svg" alt="" width="40" height="40" />
        <h1>Sign in anew?</h1>
        <p>
          You are signed in as <strong>{session.tenant}</strong>. The link signs you in as whoever made it: what you
          upload then is theirs to see.
        </p>
        <div className="options">
          <button type="button" className="primary" disabled={busy} onClick={onStay}>
            Stay {session.tenant}
          </button>
          <button type="button" disabled={busy} onClick={() => void signIn({ link })}>
            Sign in with the link
          </button>
        </div>
        <ErrorNotice error={error} />
      </main>
    );
  }
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
