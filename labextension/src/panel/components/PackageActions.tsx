import type { IPending } from '../cart';
import type { IDetails, IVersion, IVersions } from '../documents';
import { shortUrl } from '../format';
import type { ITranslation } from '../translation';
import { useStore } from '../store';
import { Button } from './Button';
import { useModel } from './context';

/** Choose a version, then do it now or add it to the changes. */
export function PackageActions({ details }: { details: IDetails }) {
  const { packages, details: model, changes, trans } = useModel();
  const { version: chosen, ecosystem, versions } = useStore(model);
  const { phase } = useStore(changes);
  useStore(packages);
  const installed = details.installed[0];
  const all = knownVersions(details, versions).map(one => one.version);
  const version = chosen === installed?.version ? '' : chosen; // chosen before, and there by now
  const newest = packages.find(details.name)?.newest ?? '';
  const base = { name: details.name, ecosystem, installed: installed?.version ?? '' };
  const removing: IPending = { ...base, ecosystem: null, action: 'remove', version: null };
  return (
    <div className="jpkg-Actions">
      <VersionChoice details={details} />
      <div className="jpkg-Actions-buttons">
        {!installed && (
          <Both
            kind="primary"
            busy={phase !== 'idle'}
            label={version ? trans.__('Install %1', version) : trans.__('Install')}
            pending={{ ...base, action: 'install', version: version || null }}
          />
        )}
        {installed && version && (
          <Both
            kind="primary"
            busy={phase !== 'idle'}
            label={trans.__('Change to %1', version)}
            pending={{ ...base, action: 'install', version, older: isOlder(version, details, all) }}
          />
        )}
        {installed && newest && !version && (
          <Both
            kind="primary"
            busy={phase !== 'idle'}
            label={trans.__('Update to %1', newest)}
            pending={{ ...base, ecosystem: null, action: 'update', version: newest }}
          />
        )}
        {installed && (
          <Both
            kind="plain"
            busy={phase !== 'idle'}
            label={trans.__('Remove')}
            pending={removing}
          />
        )}
      </div>
    </div>
  );
}

interface IBothProps {
  kind: 'primary' | 'plain';
  label: string;
  pending: IPending;
  /** Something else is being planned or applied. */
  busy: boolean;
}

/** One change: at once, or collected with others. */
function Both({ kind, label, pending, busy }: IBothProps) {
  const { changes, trans } = useModel();
  return (
    <span className="jpkg-Both">
      <Button kind={kind} disabled={busy} onClick={() => void changes.applyOne(pending)}>
        {label}
      </Button>
      <Button
        kind={kind}
        icon="add"
        aria-label={trans.__('Add to changes: %1', label)}
        onClick={() => changes.add(pending)}
      />
    </span>
  );
}

function VersionChoice({ details }: { details: IDetails }) {
  const { details: model, search, trans } = useModel();
  const { versions, version: chosen, ecosystem } = useStore(model);
  const { found } = useStore(search);
  const hit = found.find(({ name }) => name === details.name);
  const both = (hit?.ecosystems.length ?? 0) > 1 || ecosystem !== null;
  const known = knownVersions(details, versions);
  const installed = details.installed[0]?.version;
  const version = chosen === installed ? '' : chosen;
  const several = new Set(known.flatMap(({ origins }) => origins)).size > 1;
  return (
    <div className="jpkg-Actions-choice">
      {both && (
        <label>
          <span>{trans.__('From')}</span>
          <select
            value={ecosystem ?? ''}
            onChange={event => {
              const { value } = event.target;
              void model.setEcosystem(value === 'conda' || value === 'pypi' ? value : null);
            }}
          >
            <option value="">{trans.__('whichever fits')}</option>
            <option value="conda">{trans.__('conda channels')}</option>
            <option value="pypi">{trans.__('PyPI-style indexes')}</option>
          </select>
        </label>
      )}
      {known.length > 0 && (
        <label>
          <span>{trans.__('Version')}</span>
          <select value={version} onChange={event => model.setVersion(event.target.value)}>
            <option value="">
              {installed ? trans.__('%1 (installed)', installed) : trans.__('newest that fits')}
            </option>
            {known
              .filter(one => one.version !== installed)
              .map(one => (
                <option key={one.version} value={one.version}>
                  {versionLabel(one, several, trans)}
                </option>
              ))}
          </select>
        </label>
      )}
    </div>
  );
}

/** Newest first. */
function knownVersions(details: IDetails, versions: IVersions | null): readonly IVersion[] {
  return (
    versions?.versions ??
    details.versions.map(one => ({ version: one, origins: [], yanked: false }))
  );
}

/** Whether a version stands behind the installed one, in a list that begins with the newest. */
function isOlder(version: string, { installed }: IDetails, all: readonly string[]): boolean {
  const at = all.indexOf(installed[0]?.version ?? '');
  return at >= 0 && all.indexOf(version) > at;
}

function versionLabel(
  { version, origins, yanked, requires_python }: IVersion,
  several: boolean,
  trans: ITranslation
): string {
  const remarks = [
    several ? origins.map(shortUrl).join(', ') : '',
    yanked ? trans.__('yanked') : '',
    requires_python ? trans.__('Python %1', requires_python) : ''
  ].filter(Boolean);
  return remarks.length ? `${version} (${remarks.join('; ')})` : version;
}
