import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef, useSyncExternalStore } from 'react';
import { Link, Route, Switch, useLocation } from 'wouter';
import { getJson, isSignedOut, send, signedOut } from './api/http.js';
import type { SessionObject } from './api/types.js';
import { ErrorNotice, Notice } from './ui/notice.js';
import { BatchView } from './views/batch.view.js';
import { BatchesView } from './views/batches.view.js';
import { CompareView } from './views/compare.view.js';
import { ModelsView } from './views/models.view.js';
import { OverviewView } from './views/overview.view.js';
import { RequestView } from './views/request.view.js';
import { RequestsView } from './views/requests.view.js';
import { LINK, SignInView } from './views/sign.in.view.js';
import { TryView } from './views/try.view.js';
import { UsageView } from './views/usage.view.js';
import { WebhooksView } from './views/webhooks.view.js';

const SECTIONS = [
  ['/', 'Overview'],
  ['/batches', 'Batches'],
  ['/requests', 'Requests'],
  ['/try', 'Try it'],
  ['/compare', 'Compare'],
  ['/models', 'Models'],
  ['/usage', 'Usage'],
  ['/webhooks', 'Webhooks'],
] as const;

/** When a session is asked for again that could not be told, in milliseconds. */
const SESSION_MS = 3_000;

export function App() {
  const queries = useQueryClient();
  const session = useQuery({
    queryKey: ['session'],
    queryFn: () => getJson<SessionObject>('/v1/session'),
    staleTime: Infinity,
    refetchInterval: ({ state: { error } }) => (error === null || isSignedOut(error) ? false : SESSION_MS),
  });
  const hash = useSyncExternalStore(onHash, () => location.hash);
  useEffect(() => {
    const leave = (): void => {
      // Asked again, it says that there is none; what it showed is nobody's any more.
      queries.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== 'session' });
      void queries.resetQueries({ queryKey: ['session'] });
    };
    signedOut.addEventListener('signedout', leave);
    return () => {
      signedOut.removeEventListener('signedout', leave);
    };
  }, [queries]);
  if (session.isPending) return <p className="waiting">Loading…</p>;
  if (session.data === undefined && !isSignedOut(session.error)) {
    return (
      <main className="sign-in">
        <h1>madakv</h1>
        <ErrorNotice error={session.error} />
        <p className="waiting">Asking again…</p>
      </main>
    );
  }
  // A link that signs in is asked about even where a session is there.
  if (session.data === undefined || hash.startsWith(LINK)) {
    return (
      <SignInView
        link={hash.startsWith(LINK) ? hash.slice(LINK.length) : undefined}
        session={session.data}
        onSignedIn={(opened) => {
          // What was shown to somebody else is not shown to this one.
          queries.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== 'session' });
          queries.setQueryData(['session'], opened);
          forgetHash();
        }}
        onStay={forgetHash}
      />
    );
  }
  return <SignedIn session={session.data} />;
}

/** Told of a link that is pasted into the page's address, and of its end. */
function onHash(changed: () => void): () => void {
  addEventListener('hashchange', changed);
  return () => {
    removeEventListener('hashchange', changed);
  };
}

/** It serves once, and is nobody's business afterwards. */
function forgetHash(): void {
  if (location.hash === '') return;
  history.replaceState(null, '', location.pathname);
  dispatchEvent(new Event('hashchange'));
}

function SignedIn({ session }: { readonly session: SessionObject }) {
  const [path] = useLocation();
  const main = useRef<HTMLElement>(null);
  const nav = useRef<HTMLElement>(null);
  // On a narrow screen the views are in one line that scrolls: where one is is to be seen. Not by scrollIntoView, from which the keyboard goes on.
  useEffect(() => {
    const current = nav.current?.querySelector<HTMLElement>('[aria-current]');
    if (nav.current === null || current == null) return;
    const { offsetLeft, clientWidth } = nav.current;
    nav.current.scrollLeft = current.offsetLeft - offsetLeft - (clientWidth - current.offsetWidth) / 2;
  }, [path]);
  const queries = useQueryClient();
  const signOut = async (): Promise<void> => {
    await send('/v1/session', { method: 'DELETE' }).catch(() => undefined);
    queries.clear();
    location.assign('/');
  };
  return (
    <>
      <a className="skip" href="#main">
        Skip to the content
      </a>
      <header className="top">
        <Link href="/" className="brand" aria-label="madakv, overview">
          <img src="/icon.svg" alt="" width="20" height="20" /> madakv
        </Link>
        <nav ref={nav} aria-label="Views">
          {SECTIONS.map(([href, name]) => (
            <Link key={href} href={href} aria-current={isCurrent(path, href) ? 'page' : undefined}>
              {name}
            </Link>
          ))}
        </nav>
        <div className="who">
          <span title="Whose key it is">
            {session.tenant}
            {session.operator ? ', operator' : ''}
          </span>
          {session.expires_at === null ? null : (
            <button type="button" className="quiet" onClick={() => void signOut()}>
              Sign out
            </button>
          )}
        </div>
      </header>
      <main id="main" ref={main} tabIndex={-1}>
        <Switch>
          <Route path="/" component={OverviewView} />
          <Route path="/batches" component={BatchesView} />
          <Route path="/batches/:id">{({ id }) => <BatchView key={id} id={id} />}</Route>
          <Route path="/requests" component={RequestsView} />
          <Route path="/requests/:id">{({ id }) => <RequestView key={id} id={id} />}</Route>
          <Route path="/try" component={TryView} />
          <Route path="/compare" component={CompareView} />
          <Route path="/webhooks" component={WebhooksView} />
          <Route path="/models">
            <ModelsView operator={session.operator} />
          </Route>
          <Route path="/usage">
            <UsageView operator={session.operator} />
          </Route>
          <Route>
            <h1>There is no such page</h1>
            <Notice kind="empty">Look in the navigation above for what there is.</Notice>
          </Route>
        </Switch>
      </main>
    </>
  );
}

function isCurrent(path: string, href: string): boolean {
  return href === '/' ? path === '/' : path === href || path.startsWith(`${href}/`);
}
