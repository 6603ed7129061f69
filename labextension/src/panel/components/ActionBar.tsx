import { isAboutChange } from '../model/jobs';
import { nothingYet } from '../progress';
import { useStore } from '../store';
import { Button } from './Button';
import { useModel } from './context';
import { ProgressLine } from './JobCard';
import { ErrorNote, Note } from './notes';

/** At the foot of the panel: what waits to be applied, what is happening, and how it ended. */
export function ActionBar() {
  const model = useModel();
  const { changes, jobs, trans } = model;
  const { tab } = useStore(model);
  const { jobs: all } = useStore(jobs);
  const { phase, error, failed, outcome, cart, environment } = useStore(changes);
  const isOnCard =
    tab === 'changes' && all.some(({ job }) => job.error === error && isAboutChange(job));
  return (
    <footer className="jpkg-Foot">
      {error && !isOnCard && (
        <ErrorNote
          error={error}
          told
          onAgain={failed ? () => void changes.again() : undefined}
          onDismiss={() => changes.dismiss()}
        />
      )}
      {outcome && (
        <Note tone="info" icon="check" onDismiss={() => changes.dismiss()}>
          {outcome}
        </Note>
      )}
      {phase === 'planning' || phase === 'applying' ? (
        <Busy />
      ) : (
        cart.length > 0 &&
        environment !== null && (
          <div className="jpkg-Foot-row" role="group" aria-label={trans.__('Collected changes')}>
            <Pending />
          </div>
        )
      )}
    </footer>
  );
}

function Pending() {
  const model = useModel();
  const { changes, trans } = model;
  const { cart, phase } = useStore(changes);
  return (
    <>
      <Button kind="quiet" className="jpkg-Foot-count" onClick={() => model.setTab('changes')}>
        {trans._n('%1 change', '%1 changes', cart.length)}
      </Button>
      <span className="jpkg-Ellipsis jpkg-Muted" title={cart.map(({ name }) => name).join(', ')}>
        {cart.map(({ name }) => name).join(', ')}
      </span>
      <Button
        kind="primary"
        disabled={phase !== 'idle'}
        title={trans.__('Ctrl+Enter')}
        onClick={() => void changes.applyCart()}
      >
        {trans.__('Apply')}
      </Button>
    </>
  );
}

function Busy() {
  const { changes, jobs, trans } = useModel();
  const { phase, title, job } = useStore(changes);
  const { jobs: all } = useStore(jobs);
  const view = all.find(one => one.job.id === job);
  const what =
    phase === 'planning' ? trans.__('Planning: %1', title) : trans.__('Applying: %1', title);
  return (
    <div className="jpkg-Foot-row jpkg-mod-busy" role="group" aria-label={what}>
      <div className="jpkg-Foot-progress">
        <strong className="jpkg-Ellipsis" title={what}>
          {what}
        </strong>
        <ProgressLine
          progress={view?.progress ?? nothingYet}
          position={view?.job.position ?? 0}
          lost={view?.lost ?? false}
        />
      </div>
      <Button disabled={!view || view.cancelling} onClick={() => void changes.cancel()}>
        {view?.cancelling ? trans.__('Cancelling…') : trans.__('Cancel')}
      </Button>
    </div>
  );
}
