import type { IPending } from '../cart';
import { useStore } from '../store';
import { Button } from './Button';
import { useModel } from './context';
import type { IconName } from './icons';
import { Icon } from './icons';
import { JobCard } from './JobCard';
import { Empty, ErrorNote } from './notes';

const ICONS: Record<IPending['action'], IconName> = {
  install: 'add',
  remove: 'remove',
  update: 'up'
};

/** What was collected, what runs, and what ran. */
export function ChangesView() {
  const { changes, jobs, session, trans } = useModel();
  const { cart } = useStore(changes);
  const { jobs: all, error } = useStore(jobs);
  const { environment } = useStore(session);
  const shown = all.filter(({ job }) => job.environment === environment?.id && job.kind !== 'plan');
  return (
    <div className="jpkg-Scroll">
      {cart.length > 0 && <Collected cart={cart} />}
      {error && (
        <div className="jpkg-Pad">
          <ErrorNote error={error} onDismiss={() => jobs.dismissError()} />
        </div>
      )}
      {shown.length > 0 && (
        <section aria-label={trans.__('Jobs')}>
          <h3 className="jpkg-Heading">{trans.__('Jobs')}</h3>
          <ul className="jpkg-List">
            {shown.map(view => (
              <li key={view.job.id}>
                <JobCard view={view} />
              </li>
            ))}
          </ul>
        </section>
      )}
      {cart.length === 0 && shown.length === 0 && (
        <Empty icon="check" title={trans.__('No changes yet')}>
          {trans.__(
            'Add packages with + in the search, or updates and removals in the list of installed ones. They are applied together.'
          )}
        </Empty>
      )}
    </div>
  );
}

function Collected({ cart }: { cart: readonly IPending[] }) {
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
          <li key={pending.name} className={`jpkg-Pending jpkg-mod-${pending.action}`}>
            <Icon name={ICONS[pending.action]} />
            <span className="jpkg-Ellipsis" title={pending.name}>
              {pending.name}
            </span>
            <span className="jpkg-Muted">{versionsOf(pending)}</span>
            <Button
              kind="quiet"
              icon="close"
              aria-label={trans.__('Take %1 out of the changes', pending.name)}
              onClick={() => changes.remove(pending.name)}
            />
          </li>
        ))}
      </ul>
    </section>
  );
}

function versionsOf({ action, installed, version }: IPending): string {
  return action === 'remove' || !version
    ? installed
    : [installed, version].filter(Boolean).join(' → ');
}
