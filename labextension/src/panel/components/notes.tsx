import type { ReactNode } from 'react';

import type { IError, INotice } from '../documents';
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
  actions?: ReactNode;
  onDismiss?: () => void;
  /** It was said when it happened. */
  told?: boolean;
}

/** An error with its facts, its reason, what to do next, and the long version on demand. */
export function ErrorNote({ error, actions, onDismiss, told = false }: IErrorNoteProps) {
  const { trans } = useModel();
  return (
    <Note tone="error" actions={actions} onDismiss={onDismiss} alert={!told}>
      <p className="jpkg-Note-message">{error.message}</p>
      {error.context.length > 0 && (
        <ul className="jpkg-Note-facts">
          {error.context.map((fact, index) => (
            <li key={index}>{fact}</li>
          ))}
        </ul>
      )}
      {error.note && <p>{error.note}</p>}
      {error.hint && (
        <p className="jpkg-Note-hint">
          <span>{trans.__('Next:')}</span> <code>{error.hint}</code>
        </p>
      )}
      {error.detail && (
        <details>
          <summary>{trans.__('Details')}</summary>
          <pre tabIndex={0}>{error.detail}</pre>
        </details>
      )}
    </Note>
  );
}

export function Notices({ tone, notices }: { tone: Tone; notices: readonly INotice[] }) {
  const { trans } = useModel();
  return (
    <>
      {notices.map((notice, index) => (
        <Note key={index} tone={tone}>
          <p className="jpkg-Note-message">{notice.message}</p>
          {notice.note && <p>{notice.note}</p>}
          {notice.hint && (
            <p className="jpkg-Note-hint">
              <span>{trans.__('Next:')}</span> <code>{notice.hint}</code>
            </p>
          )}
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
