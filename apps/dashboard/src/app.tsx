import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef } from 'react';
import { Link, Route, Switch, useLocation } from 'wouter';
import { getJson, send, signedOut } from './api/http.js';
import type { SessionObject } from './api/types.js';
import { Notice } from './ui/notice.js';
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

export function App() {
  const queries = useQueryClient();
  const session = useQuery({
    queryKey: ['session'],
    queryFn: () => getJson<SessionObject>('/v1/session'),
    staleTime: Infinity,
  });
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
  // A link that signs in counts more than a session that is there.
  if (session.isPending) return <p className="waiting">Loading…</p>;
  if (session.data === undefined || location.hash.startsWith(LINK)) {
    return (
      <SignInView
        onSignedIn={(opened) => {
          queries.setQueryData(['session'], opened);
        }}
      />
    );
  }
  return <SignedIn session={session.data} />;
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
