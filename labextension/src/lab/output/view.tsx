import { useState } from 'react';

import type { IFault } from '../../panel/errors';
import { asFault } from '../../panel/errors';
import { explain } from '../../panel/explain';
import { ACTIONS, SIGNS, actionCount, actionLabel, bytes } from '../../panel/format';
import { asLists } from '../../panel/steps';
import type { ITranslation } from '../../panel/translation';
import type {
  IErrorPart,
  IHintPart,
  IPlanPart,
  IProgressPart,
  IShownChange,
  IShownNotice,
  IShownStep,
  IVerdictPart,
  Part
} from './parts';
import { isRunning } from './parts';

/** What can be done from an output; what is missing can't be done here and now, and gets no button. */
export interface IOutputActions {
  cancel?: () => Promise<void>;
  install?: () => Promise<void>;
  restart?: () => Promise<void>;
}

interface IProps<P> {
  part: P;
  actions: IOutputActions;
  trans: ITranslation;
}

/** More new dependencies than this are folded. */
const FEW = 5;

/** One display of `%pkg`. Every text of it is a text node. */
export function OutputView(props: IProps<Part>) {
  const { part, actions, trans } = props;
  switch (part.part) {
    case 'plan':
      return <Plan part={part} trans={trans} />;
    case 'progress':
      return <Progress part={part} actions={actions} trans={trans} />;
    case 'verdict':
      return <Verdict part={part} actions={actions} trans={trans} />;
    case 'hint':
      return <Hint part={part} actions={actions} trans={trans} />;
    case 'error':
      return <Failure part={part} trans={trans} />;
    case 'result':
      return <Line mark="✓" kind="success" text={part.text.replace(/^✔\s*/, '')} />;
    case 'message':
      return <Message level={part.level} text={part.text} />;
  }
}

function Line({ mark, kind, text }: { mark: string; kind: string; text: string }) {
  return (
    <div className={`jpkg-Output-line jpkg-mod-${kind}`}>
      <span className="jpkg-Output-mark" aria-hidden="true">
        {mark}
      </span>
      <span className="jpkg-Output-text">{text}</span>
    </div>
  );
}

function Message({ level, text }: { level: string; text: string }) {
  if (level === 'warning') {
    return <Line mark="!" kind="warning" text={text} />;
  }
  return <Line mark={level === 'waiting' ? '…' : '·'} kind="muted" text={text} />;
}

// --- plan ---------------------------------------------------------------------------------------------------------

function Plan({ part, trans }: Omit<IProps<IPlanPart>, 'actions'>) {
  return (
    <section className="jpkg-Output-plan" aria-label={trans.__('Plan')}>
      <header>
        <b>
          {part.takenBack.length > 0
            ? trans.__('Undo in %1', part.environment)
            : trans.__('Plan for %1', part.environment)}
        </b>
        <Counts part={part} trans={trans} />
      </header>
      {part.takenBack.map(line => (
        <div key={line} className="jpkg-Output-taken">
          {line}
        </div>
      ))}
      {asLists(part.steps).map((step, index) => (
        <Step key={index} step={step} trans={trans} />
      ))}
      <Notices kind="error" title={trans.__('Blocked:')} notices={part.blockers} trans={trans} />
      <Notices kind="warning" title={trans.__('Warning:')} notices={part.warnings} trans={trans} />
    </section>
  );
}

function Counts({ part, trans }: Omit<IProps<IPlanPart>, 'actions'>) {
  const changes = part.steps.flatMap(step => step.changes);
  const shown = ACTIONS.map(action => {
    const count = changes.filter(change => change.action === action).length;
    return count ? actionCount(action, count, trans) : '';
  });
  if (part.downloadSize) {
    shown.push(trans.__('%1 to download', bytes(part.downloadSize)));
  }
  return <span className="jpkg-Output-muted">{shown.filter(Boolean).join(' · ')}</span>;
}

function Step({ step, trans }: { step: IShownStep; trans: ITranslation }) {
  const isPlain = (change: IShownChange): boolean =>
    !change.requested && change.action === 'install';
  const plain = step.changes.filter(isPlain);
  const folded = plain.length > FEW ? plain : [];
  const shown = step.changes.filter(change => !folded.includes(change));
  const ordered = [
    ...shown.filter(change => change.requested),
    ...shown.filter(change => !change.requested)
  ];
  return (
    <div className="jpkg-Output-step" tabIndex={0}>
      <div className="jpkg-Output-engine">
        {step.engine}
        {step.reason && <span className="jpkg-Output-muted"> {step.reason}</span>}
      </div>
      <Changes changes={ordered} trans={trans} />
      {folded.length > 0 && (
        <details>
          <summary>
            {trans._n('and %1 dependency', 'and %1 dependencies', folded.length)}
            <span className="jpkg-Output-muted">
              {' '}
              {folded.map(change => change.name).join(', ')}
            </span>
          </summary>
          <Changes changes={folded} trans={trans} />
        </details>
      )}
    </div>
  );
}

function Changes({ changes, trans }: { changes: IShownChange[]; trans: ITranslation }) {
  const hasReasons = changes.some(change => change.reason);
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">{trans.__('Package')}</th>
          <th scope="col">{trans.__('Version')}</th>
          <th scope="col">{trans.__('From')}</th>
          {hasReasons && <th scope="col">{trans.__('Why')}</th>}
        </tr>
      </thead>
      <tbody>
        {changes.map((change, index) => (
          <tr key={index} className={change.requested ? 'jpkg-mod-requested' : undefined}>
            <td title={change.name}>
              <Sign action={change.action} trans={trans} />
              {change.name}
            </td>
            <td title={versions(change)}>{versions(change)}</td>
            <td title={change.source}>{change.source}</td>
            {hasReasons && <td className="jpkg-Output-muted">{change.reason}</td>}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Sign({ action, trans }: { action: IShownChange['action']; trans: ITranslation }) {
  const label = actionLabel(action, trans);
  return (
    <span
      className={`jpkg-Output-sign jpkg-mod-${action}`}
      role="img"
      aria-label={label}
      title={label}
    >
      {SIGNS[action]}
    </span>
  );
}

function versions({ before, after }: IShownChange): string {
  return before && after && before !== after ? `${before} → ${after}` : after || before;
}

function Notices(props: {
  kind: 'error' | 'warning';
  title: string;
  notices: IShownNotice[];
  trans: ITranslation;
}) {
  const { kind, title, notices, trans } = props;
  return notices.map((notice, index) => (
    <div key={index} className={`jpkg-Output-notice jpkg-mod-${kind}`}>
      <b>{title}</b> {notice.message}
      {notice.note && <div className="jpkg-Output-muted">{trans.__('note: %1', notice.note)}</div>}
      {notice.hint && <div className="jpkg-Output-muted">{trans.__('hint: %1', notice.hint)}</div>}
    </div>
  ));
}

// --- progress, verdict, hint, error -------------------------------------------------------------------------------

function Progress({ part, actions, trans }: IProps<IProgressPart>) {
  const title = part.title && <b className="jpkg-Output-title">{part.title}</b>;
  if (part.state === 'finished' || part.state === 'succeeded') {
    return (
      <div className="jpkg-Output-line jpkg-mod-success">
        <span className="jpkg-Output-mark" aria-hidden="true">
          ✓
        </span>
        <span className="jpkg-Output-text">
          {title} <span className="jpkg-Output-muted">{part.text}</span>
        </span>
      </div>
    );
  }
  if (!isRunning(part.state)) {
    return (
      <Line mark="✕" kind="error" text={part.title ? `${part.title}: ${part.text}` : part.text} />
    );
  }
  const known = part.done !== null && part.total !== null && part.total > 0 && part.done > 0;
  const label = part.title ? `${part.title}: ${part.text}` : part.text;
  return (
    <div className="jpkg-Output-progress">
      <div className="jpkg-Output-line">
        <span className="jpkg-Output-text">
          {title} <span className="jpkg-Output-muted">{part.text}</span>
        </span>
        {actions.cancel && (
          <Button
            trans={trans}
            label={trans.__('Cancel')}
            busy={trans.__('Cancelling…')}
            run={actions.cancel}
          />
        )}
      </div>
      <progress
        aria-label={label}
        max={part.total ?? 1}
        value={known ? (part.done ?? 0) : undefined}
      />
    </div>
  );
}

function Verdict({ part, actions, trans }: IProps<IVerdictPart>) {
  const kind = { none: 'muted', recommended: 'warning', required: 'error' }[part.level];
  if (part.level === 'none') {
    return <Line mark="·" kind={kind} text={part.text} />;
  }
  return (
    <div className={`jpkg-Output-notice jpkg-mod-${kind}`}>
      <span className="jpkg-Output-text">{part.text}</span>
      {actions.restart && (
        <Button
          trans={trans}
          label={trans.__('Restart kernel…')}
          busy={trans.__('Restarting…')}
          run={actions.restart}
          primary
        />
      )}
    </div>
  );
}

function Hint({ part, actions, trans }: IProps<IHintPart>) {
  return (
    <div className="jpkg-Output-notice jpkg-mod-info">
      <span className="jpkg-Output-text">{part.text}</span>
      {actions.install && (
        <Button
          trans={trans}
          label={trans.__('Install %1', part.package)}
          busy={trans.__('Installing…')}
          title={part.command}
          run={actions.install}
          primary
        />
      )}
    </div>
  );
}

function Failure({ part, trans }: Omit<IProps<IErrorPart>, 'actions'>) {
  return (
    <div className="jpkg-Output-notice jpkg-mod-error" role="alert">
      <b>{part.message}</b>
      {part.context.map((fact, index) => (
        <div key={index}>{fact}</div>
      ))}
      {part.note && <div className="jpkg-Output-muted">{trans.__('note: %1', part.note)}</div>}
      {part.hint && <div className="jpkg-Output-muted">{trans.__('hint: %1', part.hint)}</div>}
      {part.detail && (
        <details>
          <summary>{trans.__('Details')}</summary>
          <pre>{part.detail}</pre>
        </details>
      )}
    </div>
  );
}

/** What happened and what to do next, in one line; JupyterLab's own errors are as they are. */
function sentence(fault: IFault, trans: ITranslation): string {
  const { message, hint } = explain(fault, trans);
  return fault.kind === 'unexpected' ? fault.message : [message, hint].filter(Boolean).join(': ');
}

interface IButtonProps {
  trans: ITranslation;
  label: string;
  busy: string;
  run: () => Promise<void>;
  title?: string;
  primary?: boolean;
}

/** A button that is off while what it began goes on; a `disabled` one would lose the focus. */
function Button({ trans, label, busy, run, title, primary = false }: IButtonProps) {
  const [isBusy, setBusy] = useState(false);
  const [failure, setFailure] = useState('');
  const onClick = (): void => {
    if (!isBusy) {
      setBusy(true);
      setFailure('');
      run()
        .catch((error: unknown) => setFailure(sentence(asFault(error), trans)))
        .finally(() => setBusy(false));
    }
  };
  return (
    <>
      <button
        type="button"
        className={`jpkg-Output-button${primary ? ' jp-mod-primary' : ''}`}
        aria-disabled={isBusy || undefined}
        title={title}
        onClick={onClick}
      >
        {isBusy ? busy : label}
      </button>
      {failure && (
        <span className="jpkg-Output-failure" role="alert">
          {failure}
        </span>
      )}
    </>
  );
}
