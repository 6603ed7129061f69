import type { IPackageRow, JobState } from '../documents';
import { originLabel, stateLabel } from '../format';
import { useModel } from './context';

type Sourced = Pick<IPackageRow, 'ecosystem' | 'origin' | 'source'>;

/** Where a package came from: the channel, the index, or in what other way. */
export function OriginBadge({ of }: { of: Sourced }) {
  const { trans } = useModel();
  const local = ['editable', 'path', 'vcs', 'url'].includes(of.origin.kind);
  const label = originLabel(of, trans);
  return (
    <span
      className={`jpkg-Badge jpkg-mod-${local ? 'local' : of.ecosystem}`}
      title={of.origin.location || label}
    >
      {label}
    </span>
  );
}

export function StateBadge({ state }: { state: JobState }) {
  const { trans } = useModel();
  return <span className={`jpkg-Badge jpkg-mod-${state}`}>{stateLabel(state, trans)}</span>;
}
