import type { IPending } from '../cart';
import { effect } from '../cart';
import { SIGNS, actionLabel } from '../format';
import { useStore } from '../store';
import { Button } from './Button';
import { useModel } from './context';
import { isAboutChange } from '../model/jobs';
import { JobCard } from './JobCard';
import { Empty, ReadError } from './notes';
import { Paged } from './Paged';

/** What was collected, what runs, and what ran. */
export function ChangesView() {
  const { changes, jobs, session, trans } = useModel();
  const { cart } = useStore(changes);
  const { jobs: all, error } = useStore(jobs);
  const { environment, connection } = useStore(session);
  const shown = all.filter(({ job }) => job.environment === environment?.id && isAboutChange(job));
  return (
    <div className="jpkg-Scroll">
      {cart.length > 0 && <Cart cart={cart} />}
      {error && (shown.length === 0 || connection !== 'offline') && (
        <ReadError
          error={error}
          onAgain={() => void jobs.refresh()}
          onDismiss={() => jobs.dismissError()}
        />
      )}
      {shown.length > 0 && (
        <section aria-label={trans.__('Jobs')}>
          <h3 className="jpkg-Heading">{trans.__('Jobs')}</h3>
          <Paged items={shown} keyOf={({ job }) => job.id} label={trans.__('Jobs')}>
            {view => <JobCard view={view} />}
          </Paged>
        </section>
      )}
      {cart.length === 0 && shown.length === 0 && !error && (
        <Empty icon="check" title={trans.__('No changes yet')}>
          {trans.__(
            'Add packages with + in the search, or updates and removals in the list of installed ones. They are applied together.'
          )}
        </Empty>
      )}
    </div>
  );
}

function Cart({ cart }: { cart: readonly IPending[] }) {
  const { changes, trans } = useModel();
  return (
    <section aria-label={trans.__('Collected changes')}>
      <div className="jpkg-Heading">
        <h3>{trans.__('Not applied yet')}</h3>
        <Button kind="quiet" onClick={() => changes.clear()}>
          {trans.__('Clear')}
        </Button>
      </div>
      <ul className="jpkg-List">
        {cart.map(pending => (
          <Collected key={pending.name} pending={pending} />
        ))}
      </ul>
    </section>
  );
}

function Collected({ pending }: { pending: IPending }) {
  const { changes, trans } = useModel();
  const { name } = pending;
  const action = effect(pending);
  return (
    <li className={`jpkg-Pending jpkg-mod-${action}`}>
      <span className="jpkg-Change-sign" title={actionLabel(action, trans)} aria-hidden="true">
        {SIGNS[action]}
      </span>
      <span className="jpkg-Hidden">{actionLabel(action, trans)}</span>
      <span className="jpkg-Ellipsis" title={name}>
        {name}
      </span>
      <span className="jpkg-Muted">{versionsOf(pending)}</span>
      <Button
        kind="quiet"
        icon="close"
        aria-label={trans.__('Take %1 out of the changes', name)}
        onClick={() => changes.remove(name)}
      />
    </li>
  );
}

function versionsOf({ action, installed, version }: IPending): string {
  return action === 'remove' || !version
    ? installed
    : [installed, version].filter(Boolean).join(' → ');
}
