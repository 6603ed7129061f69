import { useEffect, useId, useRef } from 'react';

import { find } from '../cart';
import type { IChange, IPlan, IStep } from '../documents';
import {
  ACTIONS,
  SIGNS,
  actionCount,
  actionLabel,
  bytes,
  changedPackage,
  packageSource,
  versions
} from '../format';
import { useStore } from '../store';
import { asLists } from '../steps';
import { Button } from './Button';
import { useModel } from './context';
import { Notices } from './notes';

/** The question before a change that is more than what was asked for, or puts something at stake. */
export function PlanDialog() {
  const model = useModel();
  const { visible } = useStore(model);
  const { plan, phase } = useStore(model.changes);
  // Inside a panel that isn't shown nobody would see it, but all else of the page would be off.
  return plan && phase === 'review' && visible ? <Dialog key={plan.id} plan={plan} /> : null;
}

function Dialog({ plan }: { plan: IPlan }) {
  const { changes, session, trans } = useModel();
  const { environments, environment } = useStore(session);
  const dialog = useRef<HTMLDialogElement>(null);
  const heading = useRef<HTMLHeadingElement>(null);
  const id = useId();
  // The focus goes to the heading: an Enter on its way to somewhere else must not apply anything.
  useEffect(() => {
    const element = dialog.current;
    const before = document.activeElement;
    element?.showModal();
    heading.current?.focus();
    return () => {
      element?.close();
      if (before instanceof HTMLElement && before.isConnected) {
        before.focus();
      }
    };
  }, []);
  const known = [environment, ...(environments ?? [])].find(one => one?.id === plan.environment);
  const blocked = plan.blockers.length > 0;
  const said = [...plan.blockers, ...plan.warnings].map(({ message }) => message);
  const reasons = plan.review.reasons.filter(reason => !said.some(one => reason.includes(one)));
  return (
    <dialog
      ref={dialog}
      className="jpkg-Dialog"
      aria-labelledby={`${id}-title`}
      data-lm-suppress-shortcuts="true"
      onCancel={event => {
        event.preventDefault();
        changes.decide('back');
      }}
    >
      <div className="jpkg-Dialog-head">
        <h2 id={`${id}-title`} ref={heading} tabIndex={-1}>
          {known ? trans.__('Plan for %1', known.name) : trans.__('Plan')}
        </h2>
      </div>
      <div
        className="jpkg-Dialog-body"
        tabIndex={0}
        role="group"
        aria-label={trans.__('What will happen')}
      >
        <code className="jpkg-Dialog-command">{plan.command}</code>
        <Totals plan={plan} />
        <Notices tone="error" notices={plan.blockers} />
        {reasons.length > 0 && (
          <ul className="jpkg-Dialog-reasons">
            {reasons.map((reason, index) => (
              <li key={index}>{reason}</li>
            ))}
          </ul>
        )}
        <Notices tone="warning" notices={plan.warnings} />
        {asLists(plan.steps).map((one, index) => (
          <Step key={index} step={one} />
        ))}
      </div>
      <div className="jpkg-Dialog-foot">
        {plan.download_size !== null && plan.download_size > 0 && (
          <span className="jpkg-Muted">
            {trans.__('%1 to download', bytes(plan.download_size))}
          </span>
        )}
        <span className="jpkg-Space" />
        <RemoveTogether plan={plan} />
        <Button kind={blocked ? 'primary' : 'plain'} onClick={() => changes.decide('back')}>
          {trans.__('Back')}
        </Button>
        {!blocked && (
          <Button kind="primary" onClick={() => changes.decide('apply')}>
            {trans.__('Apply')}
          </Button>
        )}
      </div>
    </dialog>
  );
}

/** The way out of a removal that others stand in the way of: with them. */
function RemoveTogether({ plan }: { plan: IPlan }) {
  const model = useModel();
  const { changes, trans } = model;
  const { cart } = useStore(changes);
  const { wanted, others, isAll } = removedTogether(plan);
  const isCollected = wanted.every(name => find(cart, name)?.action === 'remove');
  // What else a command asked for would be lost; what was collected is still there.
  if (others.length === 0 || !(isAll || isCollected)) {
    return null;
  }
  const names = [...wanted, ...others];
  return (
    <Button
      title={trans.__('Remove %1', names.join(', '))}
      onClick={() => void model.removeTogether(names)}
    >
      {isAll
        ? names.length === 2
          ? trans.__('Remove both')
          : trans.__('Remove all %1', names.length)
        : others.length === 1
          ? trans.__('Remove %1 as well', others[0] ?? '')
          : trans._n('Remove %1 more', 'Remove %1 more', others.length)}
    </Button>
  );
}

/** What was to be removed, and what needs it: nothing where something else is in the way, too. */
function removedTogether({ steps, blockers }: IPlan) {
  const requested = steps.flatMap(({ changes }) => changes).filter(change => change.requested);
  const removed = requested.filter(({ action }) => action === 'remove');
  const wanted = removed.map(change => changedPackage(change)?.name ?? '');
  const canBe = blockers.every(
    ({ reference, hint }) => reference === 'breaks-dependency' && hint !== null
  );
  const needing = canBe && wanted.length ? blockers.flatMap(({ packages }) => packages) : [];
  const others = [...new Set(needing)].filter(name => !wanted.includes(name));
  return { wanted, others, isAll: removed.length === requested.length };
}

function Totals({ plan }: { plan: IPlan }) {
  const { trans } = useModel();
  const all = plan.steps.flatMap(({ changes }) => changes);
  return (
    <p className="jpkg-Totals">
      {ACTIONS.map(action => {
        const count = all.filter(change => change.action === action).length;
        return count === 0 ? null : (
          <span key={action} className={`jpkg-Total jpkg-mod-${action}`}>
            <span aria-hidden="true">{SIGNS[action]} </span>
            {actionCount(action, count, trans)}
          </span>
        );
      })}
    </p>
  );
}

/** As many rows are shown; more plain dependencies than that are folded. */
const MANY = 15;

function Step({ step }: { step: IStep }) {
  const { trans } = useModel();
  const matters = (change: IChange) => change.requested || change.action !== 'install';
  const ordered = [...step.changes].sort((a, b) => Number(b.requested) - Number(a.requested));
  const fold = ordered.length > MANY;
  const shown = fold ? ordered.filter(matters) : ordered;
  const folded = fold ? ordered.filter(change => !matters(change)) : [];
  const title =
    step.ecosystem === 'conda'
      ? trans.__('conda packages, by %1 %2', step.engine, step.engine_version)
      : trans.__('PyPI packages, by %1 %2', step.engine, step.engine_version);
  return (
    <section className="jpkg-Step">
      <h3>{title}</h3>
      {step.reason && <p className="jpkg-Muted">{step.reason}</p>}
      {shown.length > 0 && <Rows changes={shown} label={title} />}
      {folded.length > 0 && (
        <details>
          <summary>
            {trans._n('and %1 new dependency', 'and %1 new dependencies', folded.length)}
          </summary>
          <Rows changes={folded} label={trans.__('New dependencies')} />
        </details>
      )}
    </section>
  );
}

function Rows({ changes, label }: { changes: readonly IChange[]; label: string }) {
  const { trans } = useModel();
  const columns = [
    trans.__('Action'),
    trans.__('Package'),
    trans.__('Version'),
    trans.__('From'),
    trans.__('Why')
  ];
  return (
    <table className="jpkg-Rows">
      <caption className="jpkg-Hidden">{label}</caption>
      <thead>
        <tr>
          {columns.map(column => (
            <th key={column} scope="col">
              <span className="jpkg-Hidden">{column}</span>
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {changes.map((change, index) => (
          <Row key={index} change={change} />
        ))}
      </tbody>
    </table>
  );
}

function Row({ change }: { change: IChange }) {
  const { trans } = useModel();
  const one = changedPackage(change);
  const action = actionLabel(change.action, trans);
  return (
    <tr
      className={`jpkg-Change jpkg-mod-${change.action} ${change.requested ? 'jpkg-mod-requested' : ''}`}
    >
      <td className="jpkg-Change-sign" title={action}>
        <span aria-hidden="true">{SIGNS[change.action]}</span>
        <span className="jpkg-Hidden">{action}</span>
      </td>
      <th scope="row">{one?.name}</th>
      <td>{versions(change)}</td>
      <td>{packageSource(change, trans)}</td>
      <td className="jpkg-Rows-why">{change.reason}</td>
    </tr>
  );
}
