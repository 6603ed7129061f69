import type { ReactNode } from 'react';
import { useState } from 'react';

import { Button } from './Button';
import { useModel } from './context';

/** As many entries are shown, and as many more on demand. */
const PAGE = 50;

interface IPagedProps<T> {
  items: readonly T[];
  keyOf: (item: T) => string;
  label: string;
  children: (item: T) => ReactNode;
}

/** A list of which the first entries are shown, and more on demand: the oldest are rarely looked at. */
export function Paged<T>({ items, keyOf, label, children }: IPagedProps<T>) {
  const { trans } = useModel();
  const [limit, setLimit] = useState(PAGE);
  const rest = items.length - limit;
  return (
    <>
      <ul className="jpkg-List" aria-label={label}>
        {items.slice(0, limit).map(item => (
          <li key={keyOf(item)}>{children(item)}</li>
        ))}
      </ul>
      {rest > 0 && (
        <div className="jpkg-More">
          <Button onClick={() => setLimit(limit + PAGE)}>
            {trans._n('Show %1 more', 'Show %1 more', Math.min(rest, PAGE))}
          </Button>
          <span className="jpkg-Muted">{trans._n('%1 left', '%1 left', rest)}</span>
        </div>
      )}
    </>
  );
}
