import { useState } from 'react';

import type { IChange } from '../documents';
import { SIGNS, actionLabel, changedPackage, versions } from '../format';
import { Button } from './Button';
import { useModel } from './context';

const NAMED = 4;

/** What changed, what was asked for first; the rest on demand. */
export function ChangeSummary({ changes }: { changes: readonly IChange[] }) {
  const { trans } = useModel();
  const [open, setOpen] = useState(false);
  const ordered = [...changes].sort((a, b) => Number(b.requested) - Number(a.requested));
  const shown = open ? ordered : ordered.slice(0, NAMED);
  const rest = ordered.length - shown.length;
  return (
    <ul className="jpkg-Summary">
      {shown.map((change, index) => (
        <li key={index} className={`jpkg-Change jpkg-mod-${change.action}`}>
          <span className="jpkg-Change-sign" aria-hidden="true">
            {SIGNS[change.action]}
          </span>
          <span className="jpkg-Hidden">{actionLabel(change.action, trans)}</span>{' '}
          <span className="jpkg-Ellipsis" title={changedPackage(change)?.name}>
            {changedPackage(change)?.name}
          </span>{' '}
          <span className="jpkg-Muted">{versions(change)}</span>
        </li>
      ))}
      {ordered.length > NAMED && (
        <li>
          <Button kind="quiet" aria-expanded={open} onClick={() => setOpen(!open)}>
            {open ? trans.__('fewer') : trans._n('and %1 more', 'and %1 more', rest)}
          </Button>
        </li>
      )}
    </ul>
  );
}
