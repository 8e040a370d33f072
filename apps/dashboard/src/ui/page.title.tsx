import { useEffect, type ReactNode } from 'react';

/** The heading of a view, which is the tab's name as well. */
export function PageTitle({ name, children }: { readonly name: string; readonly children?: ReactNode }) {
  useEffect(() => {
    document.title = `${name} – madakv`;
  }, [name]);
  return (
    <div className="title">
      <h1>{name}</h1>
      {children}
    </div>
  );
}
