import type { KeyboardEvent, ReactNode } from 'react';
import { useEffect, useLayoutEffect, useRef } from 'react';

import type { IPending } from '../cart';
import { effect, find } from '../cart';
import type { IDetails } from '../documents';
import { actionLabel, bytes, packageStateLabel, safeLink } from '../format';
import { useStore } from '../store';
import { Button } from './Button';
import { OriginBadge } from './badges';
import { useModel } from './context';
import { Icon } from './icons';
import { Note, ReadError, Skeleton } from './notes';
import { PackageActions } from './PackageActions';

/** Everything about one package, and what can be done with it. */
export function PackageDetail() {
  const { details, session, trans } = useModel();
  const { connection } = useStore(session);
  const { name, loading, error, details: shown, trail } = useStore(details);
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), [name]);
  useHeadingFocus(heading);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Escape') {
      event.preventDefault();
      event.stopPropagation();
      details.close();
    }
  };
  if (name === null) {
    return null;
  }
  return (
    <article
      className="jpkg-Detail"
      aria-label={trans.__('Details of %1', name)}
      onKeyDown={onKeyDown}
    >
      <div className="jpkg-Detail-head">
        {trail.length > 0 && (
          <Button
            kind="quiet"
            icon="back"
            aria-label={trans.__('Back to %1', trail.at(-1) ?? '')}
            onClick={() => void details.back()}
          />
        )}
        <h3 ref={heading} tabIndex={-1} title={name}>
          {shown?.name ?? name}
        </h3>
        <Button
          kind="quiet"
          icon="close"
          aria-label={trans.__('Close the details')}
          onClick={() => details.close()}
        />
      </div>
      {loading === 'failed' && error && !(shown && connection === 'offline') && (
        <ReadError error={error} onAgain={() => void details.refresh()} />
      )}
      {!shown && loading === 'loading' && (
        <Skeleton rows={6} label={trans.__('Reading about %1', name)} />
      )}
      {shown && <Body details={shown} />}
    </article>
  );
}

/** Put the focus on this heading when the button that had it is gone: else the keyboard would be nowhere. */
function useHeadingFocus(heading: React.RefObject<HTMLElement>) {
  const inside = useRef(false);
  useLayoutEffect(() => {
    if (inside.current && document.activeElement === document.body) {
      heading.current?.focus();
    }
    const article = heading.current?.closest('article');
    inside.current = article?.contains(document.activeElement) ?? false;
  });
}

function Body({ details }: { details: IDetails }) {
  const { trans, packages, changes } = useModel();
  useStore(packages);
  const { cart } = useStore(changes);
  const pending = find(cart, details.name);
  const home = safeLink(details.home);
  const needs = details.depends.filter(spec => !OF_EXTRA.test(spec));
  const more = details.depends.filter(spec => OF_EXTRA.test(spec));
  return (
    <div className="jpkg-Detail-body">
      {details.summary && <p className="jpkg-Detail-summary">{details.summary}</p>}
      <Installed details={details} />
      {pending && <PendingNote pending={pending} />}
      <PackageActions details={details} />
      {details.notes.map((note, index) => (
        <Note key={index} tone="info">
          {note}
        </Note>
      ))}
      <Problems name={details.name} />
      <dl className="jpkg-Facts">
        <Fact name={trans.__('Licence')}>{details.license}</Fact>
        <Fact name={trans.__('Home')}>
          {home && (
            <a href={home} target="_blank" rel="noopener noreferrer">
              {home.replace(/^https?:\/\//, '').replace(/\/$/, '')}
              <Icon name="external" />
            </a>
          )}
        </Fact>
        <Fact name={trans.__('Taken from')}>{details.source}</Fact>
        <Fact name={trans.__('Imported as')}>{details.imports.join(', ')}</Fact>
        <Fact name={trans.__('Size')}>{details.size === null ? '' : bytes(details.size)}</Fact>
        <Fact name={trans.__('Files')}>{details.files ? details.files.toLocaleString() : ''}</Fact>
      </dl>
      <Names title={trans.__('Needs')} from={details.name} specs={needs} />
      <Names title={trans.__('Needs for extras')} from={details.name} specs={more} />
      <Names title={trans.__('Needed by')} from={details.name} specs={details.needed_by} />
    </div>
  );
}

function Installed({ details }: { details: IDetails }) {
  const { trans } = useModel();
  return (
    <>
      {details.installed.length === 0 && <p className="jpkg-Muted">{trans.__('Not installed')}</p>}
      {details.installed.map((row, index) => (
        <p key={index} className="jpkg-Detail-installed">
          <strong>{row.version}</strong>
          {row.build && <code>{row.build}</code>}
          <OriginBadge of={row} />
          {row.requested !== null && (
            <span className="jpkg-Muted">
              {row.requested ? trans.__('requested') : trans.__('a dependency')}
            </span>
          )}
          {row.states.map(state => (
            <span key={state} className="jpkg-Badge jpkg-mod-warning">
              {packageStateLabel(state, trans)}
            </span>
          ))}
        </p>
      ))}
    </>
  );
}

function PendingNote({ pending }: { pending: IPending }) {
  const { changes, trans } = useModel();
  const what = [actionLabel(effect(pending), trans), pending.version ?? ''].join(' ').trim();
  return (
    <Note
      tone="info"
      icon="check"
      actions={<Button onClick={() => changes.remove(pending.name)}>{trans.__('Take out')}</Button>}
    >
      {trans.__('Among the changes: %1', what)}
    </Note>
  );
}

function Problems({ name }: { name: string }) {
  const { packages } = useModel();
  return (
    <>
      {packages.find(name)?.problems.map((problem, index) => (
        <Note key={index} tone="warning">
          {problem.message}
        </Note>
      ))}
    </>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return children ? (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  ) : null;
}

/** A requirement that counts only where an extra is asked for (PEP 508's markers). */
const OF_EXTRA = /;.*\bextra\s*(?:===?|in)\s/;
const NAMED = 60;

/** Other packages, each leading to its own details. */
function Names({ title, from, specs }: { title: string; from: string; specs: readonly string[] }) {
  const { details, trans } = useModel();
  const rest = specs.length - NAMED;
  return specs.length === 0 ? null : (
    <section className="jpkg-Detail-names">
      <h4>
        {title} <span className="jpkg-Count">{specs.length}</span>
      </h4>
      <ul>
        {specs.slice(0, NAMED).map((spec, index) => (
          <li key={index}>
            <button
              type="button"
              className="jpkg-Link"
              title={spec}
              onClick={() => void details.show(nameIn(spec), { from })}
            >
              {spec}
            </button>
          </li>
        ))}
        {rest > 0 && <li className="jpkg-Muted">{trans._n('and %1 more', 'and %1 more', rest)}</li>}
      </ul>
    </section>
  );
}

/** The name at the beginning of a requirement or a MatchSpec. */
function nameIn(spec: string): string {
  return /^(?:[\w./-]+::)?([\w.-]*\w)/.exec(spec.trim())?.[1] ?? spec;
}
