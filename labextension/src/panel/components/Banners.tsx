import type { IElsewhere } from '../model/changes';
import { useStore } from '../store';
import type { ITranslation } from '../translation';
import { Button } from './Button';
import { useModel } from './context';
import { ErrorNote, Note } from './notes';

/** What has to be known whatever is shown below. */
export function Banners() {
  const { session, trans, inKernel } = useModel();
  const { connection, error, kernel, chosen } = useStore(session);
  return (
    <div className="jpkg-Banners">
      {connection === 'offline' && (
        <Note
          tone="warning"
          icon="offline"
          actions={<Button onClick={() => void session.connect()}>{trans.__('Try now')}</Button>}
        >
          {inKernel
            ? trans.__(
                'The kernel does not answer. If it was restarted, run this cell again for a new panel.'
              )
            : trans.__(
                'The server does not answer. What is shown may be old; it is tried again and again.'
              )}
        </Note>
      )}
      {connection === 'ready' && error && (
        <ErrorNote
          error={error}
          actions={<Button onClick={() => void session.refresh()}>{trans.__('Try again')}</Button>}
        />
      )}
      {!chosen && kernel?.mismatch && <Note tone="warning">{kernel.mismatch}</Note>}
      {!chosen && kernel?.why && (
        <Note tone="info">{trans.__('%pkg is not available in this kernel: %1', kernel.why)}</Note>
      )}
      {!chosen && <RestartNote />}
      <Elsewhere />
    </div>
  );
}

/** Whether the kernel has to begin anew, and the way to do it. */
function RestartNote() {
  const model = useModel();
  const { session, trans } = model;
  const { verdict, restarting } = useStore(session);
  if (!verdict || verdict.level === 'none') {
    return null;
  }
  const { canRestart } = model;
  return (
    <Note
      tone={verdict.level === 'required' ? 'error' : 'warning'}
      icon="refresh"
      actions={
        canRestart && (
          <Button kind="primary" disabled={restarting} onClick={() => void model.restartKernel()}>
            {restarting ? trans.__('Restarting…') : trans.__('Restart the kernel')}
          </Button>
        )
      }
    >
      <p className="jpkg-Note-message">{verdict.text}</p>
      {!canRestart && (
        <p>{trans.__('How: the menu Kernel → Restart, or the notebook’s restart button.')}</p>
      )}
    </Note>
  );
}

/** Changes that wait, go on or went wrong in environments that aren't shown: nobody forgets them. */
function Elsewhere() {
  const { changes, session, trans } = useModel();
  const { elsewhere } = useStore(changes);
  return (
    <>
      {elsewhere.map(one => (
        <Note
          key={one.environment}
          tone={one.error ? 'error' : one.phase === 'review' ? 'warning' : 'info'}
          actions={
            <Button onClick={() => void session.choose(one.environment)}>
              {trans.__('Go there')}
            </Button>
          }
        >
          {whatIs(one, trans)}
        </Note>
      ))}
    </>
  );
}

/** What matters most of another environment. */
function whatIs({ name, count, phase, title, error }: IElsewhere, trans: ITranslation): string {
  const place = name || trans.__('another environment');
  if (error) {
    return trans.__('%1: %2', place, error.message);
  }
  switch (phase) {
    case 'review':
      return trans.__('%1: a plan waits for your decision', place);
    case 'planning':
      return trans.__('%1: planning %2', place, title);
    case 'applying':
      return trans.__('%1: applying %2', place, title);
    case 'idle':
      return trans._n('%1 change waits for %2', '%1 changes wait for %2', count, place);
  }
}
