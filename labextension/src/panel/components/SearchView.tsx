import { useState } from 'react';

import { find, pendingChange } from '../cart';
import type { PlanRequest } from '../documents';
import type { IFound } from '../model/search';
import { useStore } from '../store';
import { Button } from './Button';
import { useModel } from './context';
import { Empty, Note, ReadError, Skeleton } from './notes';
import { PackageDetail } from './PackageDetail';
import { SearchBox } from './SearchBox';
import { Split } from './Split';
import { VirtualGrid } from './VirtualGrid';

const ROW = 42;

const keyOf = ({ name }: IFound) => name;

/** Look for packages by name, or paste a command or a list of requirements. */
export function SearchView() {
  const { search, details, changes, trans } = useModel();
  const { text, understood, found } = useStore(search);
  const { name, closed } = useStore(details);
  const { phase } = useStore(changes);
  const [downs, setDowns] = useState(0);
  const plan = (request: PlanRequest, title: string) => {
    if (phase === 'idle') {
      void changes.request(request, title);
    }
  };
  const onEnter = () => {
    const [first] = found;
    if (understood.kind === 'request') {
      plan(understood.request, understood.text);
    } else if (first) {
      void details.show(first.name);
    }
  };
  return (
    <Split
      main={
        <>
          <div className="jpkg-Toolbar">
            <SearchBox
              icon="search"
              lines
              label={trans.__('Search, or paste “pip install …”')}
              value={text}
              onChange={typed => search.setText(typed)}
              onEnter={onEnter}
              onDown={() => setDowns(count => count + 1)}
            />
          </div>
          {understood.kind === 'request' ? (
            <Understood
              text={understood.text}
              request={understood.request}
              busy={phase !== 'idle'}
              onPlan={() => plan(understood.request, understood.text)}
            />
          ) : (
            <Results focusRequest={closed + downs} />
          )}
        </>
      }
      side={name === null ? null : <PackageDetail />}
    />
  );
}

interface IUnderstoodProps {
  text: string;
  request: PlanRequest;
  busy: boolean;
  onPlan: () => void;
}

function Understood({ request, busy, onPlan }: IUnderstoodProps) {
  const { trans } = useModel();
  const specs = 'specs' in request ? request.specs : null;
  return (
    <div className="jpkg-Understood">
      <p className="jpkg-Muted">
        {specs
          ? trans.__('Understood as requirements:')
          : 'requests' in request
            ? trans.__('Understood as commands, for one plan:')
            : trans.__('Understood as a command:')}
      </p>
      <pre tabIndex={0}>{linesOf(request).join('\n')}</pre>
      <Button kind="primary" disabled={busy} onClick={onPlan}>
        {specs
          ? trans._n('Install %1 package', 'Install %1 packages', specs.length)
          : trans.__('Run')}
      </Button>
      <span className="jpkg-Muted">{trans.__('or Enter')}</span>
    </div>
  );
}

function linesOf(request: PlanRequest): string[] {
  if ('requests' in request) {
    return request.requests.flatMap(linesOf);
  }
  return 'command' in request ? [`%pkg ${request.command}`] : request.specs;
}

function Results({ focusRequest }: { focusRequest: number }) {
  const { search, session, details, trans } = useModel();
  const { connection } = useStore(session);
  const { found, count, understood, asking, names, size, error, notes } = useStore(search);
  const { name } = useStore(details);
  if (understood.kind === 'nothing') {
    return <Begin loading={names === 'loading'} size={size} />;
  }
  const known = names === 'ready' ? count : found.length;
  return (
    <>
      {error && (found.length === 0 || connection !== 'offline') && (
        <ReadError error={error} onAgain={() => search.again()} />
      )}
      {notes.map((note, index) => (
        <div key={index} className="jpkg-Pad">
          <Note tone="info">{note}</Note>
        </div>
      ))}
      <p className="jpkg-Results-count">
        {found.length < known
          ? trans.__('the best %1 of %2', found.length, known.toLocaleString())
          : trans._n('%1 package', '%1 packages', known)}
        {asking === 'loading' && <span className="jpkg-Spinner" aria-hidden="true" />}
      </p>
      {found.length > 0 && (
        <VirtualGrid
          label={trans.__('Packages found')}
          className="jpkg-mod-found"
          items={found}
          rowHeight={ROW}
          itemKey={keyOf}
          itemText={keyOf}
          renderCells={item => <Cells item={item} />}
          onOpen={item => void details.show(item.name)}
          openKey={name}
          focusRequest={focusRequest}
        />
      )}
      {found.length === 0 && asking === 'loading' && (
        <Skeleton rows={5} label={trans.__('Searching')} />
      )}
      {found.length === 0 && asking === 'ready' && (
        <Empty icon="search" title={trans.__('No package has this in its name')}>
          {trans.__(
            'Check the spelling, or paste a URL, a path or a version as you would after “pip install”.'
          )}
        </Empty>
      )}
    </>
  );
}

function Begin({ loading, size }: { loading: boolean; size: number }) {
  const { trans } = useModel();
  return (
    <Empty icon="search" title={trans.__('What do you need?')}>
      <p>{trans.__('Type a name, or paste a command or the lines of a requirements file.')}</p>
      <p className="jpkg-Muted">
        {loading && trans.__('Reading the names of channels and indexes…')}
        {size > 0 &&
          trans.__(
            '%1 packages in the channels and indexes of this environment',
            size.toLocaleString()
          )}
      </p>
    </Empty>
  );
}

function Cells({ item }: { item: IFound }) {
  const { packages, changes, trans } = useModel();
  const { all } = useStore(packages);
  const { cart } = useStore(changes);
  const { name, ecosystems, version, origin, summary } = item;
  const installed = all.length ? packages.find(name)?.row.version : undefined;
  const pending = find(cart, name);
  const where = ecosystems.map(one => (one === 'pypi' ? 'PyPI' : 'conda'));
  return (
    <>
      <span role="gridcell" className="jpkg-Found-text">
        <span className="jpkg-Found-name">
          <span className="jpkg-Ellipsis" title={name}>
            {name}
          </span>
          {version && <span className="jpkg-Found-version">{version}</span>}
          {installed !== undefined && (
            <span
              className="jpkg-Badge jpkg-mod-success"
              title={trans.__('%1 is installed', installed)}
            >
              {trans.__('installed')}
            </span>
          )}
        </span>
        <span className="jpkg-Found-summary jpkg-Ellipsis" title={summary}>
          {summary || (origin.includes('://') ? '' : origin)}
        </span>
      </span>
      <span role="gridcell" className="jpkg-Found-where">
        {where.map(one => (
          <span key={one} className={`jpkg-Badge jpkg-mod-${one === 'PyPI' ? 'pypi' : 'conda'}`}>
            {one}
          </span>
        ))}
      </span>
      <span
        role="gridcell"
        className="jpkg-Cell-actions"
        onClick={event => event.stopPropagation()}
      >
        <Button
          kind="quiet"
          icon={pending ? 'check' : 'add'}
          tabIndex={-1}
          disabled={installed !== undefined && !pending}
          aria-pressed={pending !== undefined}
          aria-label={trans.__('Add to changes: install %1', name)}
          onClick={() => {
            if (pending) {
              changes.remove(name);
            } else {
              changes.add(pendingChange('install', name));
            }
          }}
        />
      </span>
    </>
  );
}
