import type { ReactNode } from 'react';

import type { IError, INotice } from '../documents';
import { hintHere, pieces } from '../hints';
import { useStore } from '../store';
import type { ITranslation } from '../translation';
import { Button } from './Button';
import { useModel } from './context';
import type { IconName } from './icons';
import { Icon } from './icons';

export type Tone = 'info' | 'warning' | 'error' | 'success';

const ICONS: Record<Tone, IconName> = {
  info: 'environment',
  warning: 'warning',
  error: 'error',
  success: 'check'
};

interface INoteProps {
  tone: Tone;
  children: ReactNode;
  actions?: ReactNode;
  icon?: IconName;
  onDismiss?: () => void;
  /** Said at once by a screen reader. */
  alert?: boolean;
}

/** A sentence or two that stand out, with what can be done. */
export function Note({ tone, children, actions, icon, onDismiss, alert }: INoteProps) {
  const { trans } = useModel();
  return (
    <div className={`jpkg-Note jpkg-mod-${tone}`} role={alert ? 'alert' : undefined}>
      <Icon name={icon ?? ICONS[tone]} />
      <div className="jpkg-Note-body">
        {children}
        {actions && <div className="jpkg-Note-actions">{actions}</div>}
      </div>
      {onDismiss && (
        <Button kind="quiet" icon="close" aria-label={trans.__('Dismiss')} onClick={onDismiss} />
      )}
    </div>
  );
}

interface IErrorNoteProps {
  error: IError;
  /** Do again what failed. */
  onAgain?: () => void;
  onDismiss?: () => void;
  /** It was said when it happened. */
  told?: boolean;
}

/** An error with its facts, its reason, what to do next, and the long version on demand. */
export function ErrorNote({ error, onAgain, onDismiss, told = false }: IErrorNoteProps) {
  const model = useModel();
  const { trans } = model;
  const { message, context, note, hint, detail, remedy } = model.explain(error);
  const actions = (remedy === 'reload' || onAgain) && (
    <>
      {remedy === 'reload' && (
        <Button kind="primary" onClick={model.reload}>
          {trans.__('Reload this page')}
        </Button>
      )}
      {onAgain && <Button onClick={onAgain}>{trans.__('Try again')}</Button>}
    </>
  );
  return (
    <Note tone="error" actions={actions} onDismiss={onDismiss} alert={!told}>
      <p className="jpkg-Note-message">{message}</p>
      {context.length > 0 && (
        <ul className="jpkg-Note-facts">
          {context.map((fact, index) => (
            <li key={index}>{fact}</li>
          ))}
        </ul>
      )}
      {note && <p>{note}</p>}
      <Hint hint={hint} />
      {detail && (
        <details>
          <summary>{trans.__('Details')}</summary>
          <pre tabIndex={0}>{detail}</pre>
        </details>
      )}
    </Note>
  );
}

/** What could not be read. While nothing answers at all, the banner says so, once for all views. */
export function ReadError(props: IErrorNoteProps) {
  const { session, trans } = useModel();
  const { connection } = useStore(session);
  return connection === 'offline' ? (
    <Empty icon="offline" title={trans.__('Not read yet')}>
      {trans.__('It is read as soon as there is a connection again.')}
    </Empty>
  ) : (
    <div className="jpkg-Pad">
      <ErrorNote {...props} />
    </div>
  );
}

/** What to do next: in the panel where that is possible, else in a cell. */
export function Hint({ hint }: { hint: string | null }) {
  const { changes, trans } = useModel();
  const { phase } = useStore(changes);
  if (!hint) {
    return null;
  }
  const { text, isTyped, command } = hintHere(hint);
  const plan = async (wanted: string) => {
    await changes.back();
    await changes.request({ command: wanted }, wanted);
  };
  return (
    <>
      <p className="jpkg-Note-hint">
        <span>{isTyped && !command ? trans.__('In a cell:') : trans.__('Next:')}</span>{' '}
        {pieces(text).map((piece, index) =>
          piece.isTyped ? <code key={index}>{piece.text}</code> : piece.text
        )}
      </p>
      {command && (
        <div className="jpkg-Note-actions">
          <Button
            disabled={phase === 'planning' || phase === 'applying'}
            onClick={() => void plan(command)}
          >
            {sentence(command, trans)}
          </Button>
        </div>
      )}
    </>
  );
}

/** A command of one change, on a button: there it needs no quotes. */
function sentence(command: string, trans: ITranslation): string {
  const [verb = '', quoted = ''] = command.split(' ');
  const spec = quoted.replace(/^(["'])(.*)\1$/, '$2');
  switch (verb) {
    case 'remove':
      return trans.__('Remove %1', spec);
    case 'update':
      return trans.__('Update %1', spec);
    default:
      return trans.__('Install %1', spec);
  }
}

export function Notices({ tone, notices }: { tone: Tone; notices: readonly INotice[] }) {
  return (
    <>
      {notices.map((notice, index) => (
        <Note key={index} tone={tone}>
          <p className="jpkg-Note-message">{notice.message}</p>
          {notice.note && <p>{notice.note}</p>}
          <Hint hint={notice.hint} />
        </Note>
      ))}
    </>
  );
}

interface IEmptyProps {
  icon: IconName;
  title: string;
  children?: ReactNode;
}

/** What stands where there is nothing to list. */
export function Empty({ icon, title, children }: IEmptyProps) {
  return (
    <div className="jpkg-Empty">
      <Icon name={icon} />
      <p className="jpkg-Empty-title">{title}</p>
      {children && <div className="jpkg-Empty-text">{children}</div>}
    </div>
  );
}

/** Grey lines in the place of what is being read. */
export function Skeleton({ rows, label }: { rows: number; label: string }) {
  return (
    <div className="jpkg-Skeleton" role="status" aria-label={label}>
      {Array.from({ length: rows }, (_, index) => (
        <div key={index} className="jpkg-Skeleton-row" aria-hidden="true">
          <span style={{ width: `${30 + ((index * 37) % 40)}%` }} />
          <span style={{ width: '14%' }} />
        </div>
      ))}
    </div>
  );
}
