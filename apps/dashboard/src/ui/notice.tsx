import type { ReactNode } from 'react';
import { errorText } from '../api/http.js';

/** Something that is to be read: an error, or what to do where there is nothing yet. */
export function Notice({
  kind,
  children,
}: {
  readonly kind: 'error' | 'empty' | 'info';
  readonly children: ReactNode;
}) {
  return (
    <div className={`notice ${kind}`} role={kind === 'error' ? 'alert' : undefined}>
      {children}
    </div>
  );
}

/** What went wrong, in words. */
export function ErrorNotice({ error }: { readonly error: unknown }) {
  return error === null || error === undefined ? null : <Notice kind="error">{errorText(error)}</Notice>;
}
