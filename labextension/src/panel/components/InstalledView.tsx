import type { IPending } from '../cart';
import { effect, find, pendingChange } from '../cart';
import { bytes, packageStateLabel } from '../format';
import type { IInstalled, Show, SortBy } from '../model/packages';
import { useStore } from '../store';
import { Button } from './Button';
import { OriginBadge } from './badges';
import { useModel } from './context';
import { Icon } from './icons';
import { Empty, Note, ReadError, Skeleton } from './notes';
import { PackageDetail } from './PackageDetail';
import { SearchBox } from './SearchBox';
import { Split } from './Split';
import { VirtualGrid } from './VirtualGrid';

const ROW = 30;
const HEAD = 26;

const keyOf = ({ key }: IInstalled) => key;
const nameOf = ({ row }: IInstalled) => row.name;

/** What is installed: filter, sort, one row for each package, and the details of one. */
export function InstalledView() {
  const { packages, session, details, trans } = useModel();
  const { connection } = useStore(session);
  const { loading, error, all, visible, notes, filter, show, outdatedError } = useStore(packages);
  const again = () => void packages.refresh();
  const { name, closed } = useStore(details);
  if (loading === 'failed' && error) {
    return <ReadError error={error} onAgain={again} />;
  }
  if (loading !== 'ready') {
    return <Skeleton rows={10} label={trans.__('Reading the installed packages')} />;
  }
  return (
    <Split
      main={
        <>
          <div className="jpkg-Toolbar">
            <SearchBox
              icon="filter"
              label={trans.__('Filter installed packages')}
              value={filter}
              onChange={text => packages.setFilter(text)}
            />
            <Shows />
          </div>
          {error && connection !== 'offline' && <ReadError error={error} onAgain={again} />}
          {notes.map(note => (
            <Note key={note} tone="warning">
              {note}
            </Note>
          ))}
          {visible.length > 0 ? (
            <InstalledGrid focusRequest={closed} />
          ) : show === 'outdated' && outdatedError ? (
            <ReadError error={outdatedError} onAgain={() => void packages.compare()} />
          ) : (
            <NothingVisible none={all.length === 0} filter={filter} show={show} />
          )}
        </>
      }
      side={name === null ? null : <PackageDetail />}
    />
  );
}

function InstalledGrid({ focusRequest }: { focusRequest: number }) {
  const { packages, details, changes, trans } = useModel();
  const { visible } = useStore(packages);
  const { name } = useStore(details);
  const { cart } = useStore(changes);
  const open = visible.find(({ row }) => row.name === name);
  const toggle = (pending: IPending) => {
    const before = find(cart, pending.name);
    if (before?.action === pending.action) {
      changes.remove(pending.name);
    } else {
      changes.add(pending);
    }
  };
  return (
    <VirtualGrid
      label={trans.__('Installed packages')}
      className="jpkg-mod-installed"
      items={visible}
      rowHeight={ROW}
      headerHeight={HEAD}
      header={<Header />}
      itemKey={keyOf}
      itemText={nameOf}
      rowClass={item => rowClass(item, find(cart, item.row.name))}
      renderCells={item => (
        <Cells item={item} pending={find(cart, item.row.name)} onToggle={toggle} />
      )}
      onOpen={({ row }) => void details.show(row.name)}
      onKey={(event, item) => {
        if (event.key !== 'Delete') {
          return false;
        }
        toggle(removal(item));
        return true;
      }}
      openKey={open ? keyOf(open) : null}
      focusRequest={focusRequest}
    />
  );
}

function rowClass({ newest }: IInstalled, pending: IPending | undefined): string {
  const outdated = newest ? 'jpkg-mod-outdated' : '';
  return pending ? `${outdated} jpkg-mod-pending jpkg-mod-${effect(pending)}` : outdated;
}

export function removal({ row }: IInstalled): IPending {
  return pendingChange('remove', row.name, { installed: row.version });
}

export function update({ row, newest }: IInstalled): IPending {
  return pendingChange('update', row.name, { version: newest, installed: row.version });
}

interface ICellsProps {
  item: IInstalled;
  pending: IPending | undefined;
  onToggle: (pending: IPending) => void;
}

function Cells({ item, pending, onToggle }: ICellsProps) {
  const { trans } = useModel();
  const { row, newest, problems } = item;
  const wrong = [
    ...row.states.map(state => packageStateLabel(state, trans)),
    ...problems.map(({ message }) => message)
  ];
  return (
    <>
      <span
        role="gridcell"
        className={`jpkg-Cell-name ${row.requested ? 'jpkg-mod-requested' : ''}`}
      >
        <span
          className="jpkg-Ellipsis"
          title={nameTitle(item, trans.__('requested'), trans.__('a dependency'))}
        >
          {row.name}
        </span>
        {wrong.length > 0 && (
          <span
            className="jpkg-Cell-wrong"
            role="img"
            aria-label={wrong.join('; ')}
            title={wrong.join('\n')}
          >
            <Icon name="warning" />
          </span>
        )}
      </span>
      <span
        role="gridcell"
        className="jpkg-Cell-version jpkg-Ellipsis"
        title={newest ? `${row.version} → ${newest}` : row.version}
      >
        {row.version}
        {newest && (
          <span className="jpkg-Cell-next" aria-hidden="true">
            {' → '}
            <span>{newest}</span>
          </span>
        )}
      </span>
      <span role="gridcell" className="jpkg-Cell-newest jpkg-Ellipsis" title={newest}>
        {newest}
      </span>
      <span role="gridcell" className="jpkg-Cell-source">
        <OriginBadge of={row} />
      </span>
      <span role="gridcell" className="jpkg-Cell-size">
        {row.size === null ? '' : bytes(row.size)}
      </span>
      <span role="gridcell" className="jpkg-Cell-summary jpkg-Ellipsis" title={row.summary}>
        {row.summary}
      </span>
      <span
        role="gridcell"
        className="jpkg-Cell-actions"
        onClick={event => event.stopPropagation()}
      >
        {newest && (
          <Button
            kind="quiet"
            icon="up"
            tabIndex={-1}
            className="jpkg-mod-update"
            aria-pressed={pending?.action === 'update'}
            aria-label={trans.__('Add to changes: update %1 to %2', row.name, newest)}
            onClick={() => onToggle(update(item))}
          />
        )}
        <Button
          kind="quiet"
          icon="close"
          tabIndex={-1}
          className="jpkg-mod-remove"
          aria-pressed={pending?.action === 'remove'}
          aria-label={trans.__('Add to changes: remove %1', row.name)}
          onClick={() => onToggle(removal(item))}
        />
      </span>
    </>
  );
}

function nameTitle({ row }: IInstalled, requested: string, dependency: string): string {
  const why = row.requested === null ? '' : row.requested ? requested : dependency;
  return [row.name, why && `(${why})`, row.summary && `\n${row.summary}`].filter(Boolean).join(' ');
}

function Header() {
  const { trans } = useModel();
  return (
    <>
      <SortHeader by="name" label={trans.__('Name')} />
      <SortHeader by="version" label={trans.__('Version')} />
      <span role="columnheader" className="jpkg-Cell-newest">
        {trans.__('Newest')}
      </span>
      <SortHeader by="source" label={trans.__('From')} />
      <SortHeader by="size" label={trans.__('Size')} />
      <span role="columnheader" className="jpkg-Cell-summary">
        {trans.__('Summary')}
      </span>
      <span role="columnheader" className="jpkg-Cell-actions">
        <span className="jpkg-Hidden">{trans.__('Changes')}</span>
      </span>
    </>
  );
}

function SortHeader({ by, label }: { by: SortBy; label: string }) {
  const { packages } = useModel();
  const { sortBy, descending } = useStore(packages);
  const sorted = sortBy === by;
  return (
    <span
      role="columnheader"
      className={`jpkg-Cell-${by}`}
      aria-sort={sorted ? (descending ? 'descending' : 'ascending') : 'none'}
    >
      <button type="button" className="jpkg-Sort" onClick={() => packages.sort(by)}>
        {label}
        {sorted && <Icon name={descending ? 'down' : 'up'} />}
      </button>
    </span>
  );
}

function Shows() {
  const model = useModel();
  const { packages, trans } = model;
  const { show, counts, outdatedLoading, outdatedError } = useStore(packages);
  const shows: { id: Show; label: string }[] = [
    { id: 'all', label: trans.__('All') },
    { id: 'requested', label: trans.__('Requested') },
    { id: 'outdated', label: trans.__('Outdated') },
    { id: 'problems', label: trans.__('Problems') }
  ];
  const unknown = outdatedError ? model.explain(outdatedError).message : '';
  return (
    <div className="jpkg-Shows" role="group" aria-label={trans.__('Show')}>
      {shows.map(({ id, label }) => (
        <button
          key={id}
          type="button"
          className="jpkg-Chip"
          aria-pressed={show === id}
          title={id === 'outdated' ? unknown : undefined}
          onClick={() => packages.setShow(id)}
        >
          {label}{' '}
          <span className="jpkg-Chip-count">
            {id === 'outdated' && outdatedLoading !== 'ready'
              ? outdatedLoading === 'failed'
                ? '?'
                : '…'
              : counts[id]}
          </span>
        </button>
      ))}
    </div>
  );
}

function NothingVisible({ none, filter, show }: { none: boolean; filter: string; show: Show }) {
  const model = useModel();
  const { packages, trans } = model;
  const { outdatedLoading } = useStore(packages);
  if (show === 'outdated' && outdatedLoading === 'loading') {
    return <Skeleton rows={5} label={trans.__('Asking for newer versions')} />;
  }
  if (none) {
    return (
      <Empty icon="environment" title={trans.__('Nothing is installed here yet')}>
        <Button kind="primary" icon="search" onClick={() => model.setTab('search')}>
          {trans.__('Look for a package')}
        </Button>
      </Empty>
    );
  }
  if (filter) {
    return (
      <Empty icon="search" title={trans.__('No installed package matches “%1”', filter)}>
        <Button kind="primary" icon="search" onClick={() => model.searchFor(filter)}>
          {trans.__('Search for it')}
        </Button>
        <Button onClick={() => packages.setFilter('')}>{trans.__('Clear the filter')}</Button>
      </Empty>
    );
  }
  const title = {
    all: trans.__('Nothing is installed here yet'),
    requested: trans.__('Nothing says what was asked for by name'),
    outdated: trans.__('Everything is at its newest version'),
    problems: trans.__('No package has a problem')
  }[show];
  return <Empty icon="check" title={title} />;
}
