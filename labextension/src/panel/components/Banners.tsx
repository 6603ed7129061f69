import type { IError } from '../documents';
import type { IElsewhere } from '../model/changes';
import { useStore } from '../store';
import type { ITranslation } from '../translation';
import { Button } from './Button';
import { useModel } from './context';
import { ErrorNote, Hint, Note } from './notes';

/** What has to be known whatever is shown below. */
export function Banners() {
  const { session, trans } = useModel();
  const { connection, error, kernel, chosen } = useStore(session);
  return (
    <div className="jpkg-Banners">
      {connection === 'offline' && error && <Offline error={error} />}
      {connection === 'ready' && error && (
        <ErrorNote error={error} onAgain={() => void session.refresh()} />
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

/** Nothing answers: why, as far as anybody says, and what is done about it. */
function Offline({ error }: { error: IError }) {
  const model = useModel();
  const { session, trans, inKernel } = model;
  const { message, note, hint, remedy } = model.explain(error);
  const goesOn = trans.__('What is shown may be old; it is tried again and again.');
  return (
    <Note
      tone="warning"
      icon="offline"
      actions={
        <>
          {remedy === 'reload' && (
            <Button kind="primary" onClick={model.reload}>
              {trans.__('Reload this page')}
            </Button>
          )}
          <Button onClick={() => void session.connect()}>{trans.__('Try now')}</Button>
        </>
      }
    >
      <p className="jpkg-Note-message">{message}</p>
      {note && <p>{note}</p>}
      {inKernel || remedy === 'reload' ? <Hint hint={hint} /> : <p>{goesOn}</p>}
    </Note>
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
  const model = useModel();
  const { changes, session, trans } = model;
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
          {one.error
            ? trans.__('%1: %2', nameOf(one, trans), model.explain(one.error).message)
            : whatIs(one, trans)}
        </Note>
      ))}
    </>
  );
}

function nameOf({ name }: IElsewhere, trans: ITranslation): string {
  return name || trans.__('another environment');
}

/** What matters most of another environment. */
function whatIs(one: IElsewhere, trans: ITranslation): string {
  const { count, phase, title } = one;
  const place = nameOf(one, trans);
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
