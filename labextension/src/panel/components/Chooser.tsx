import { useStore } from '../store';
import { Button } from './Button';
import { useModel } from './context';
import { kindLabel, runtimeLabel } from './EnvironmentCard';
import { Empty, Skeleton } from './notes';

/** All environments, for when there is no kernel to follow, or another one is wanted. */
export function Chooser() {
  const { session, trans } = useModel();
  const { environments, environment, choosing, kernel } = useStore(session);
  return (
    <section className="jpkg-Chooser" aria-label={trans.__('Environments')}>
      <div className="jpkg-Chooser-head">
        <h2>{trans.__('Choose an environment')}</h2>
        {choosing && environment && (
          <Button
            kind="quiet"
            icon="close"
            aria-label={trans.__('Close')}
            onClick={() => session.closeChooser()}
          />
        )}
      </div>
      {!environment && !kernel && (
        <p className="jpkg-Muted">
          {trans.__(
            'No kernel is current, or it is just starting. Open a notebook or a console, and its environment is shown here.'
          )}
        </p>
      )}
      {environments === null && <Skeleton rows={4} label={trans.__('Looking for environments')} />}
      {environments?.length === 0 && (
        <Empty icon="environment" title={trans.__('No environment was found')} />
      )}
      <ul className="jpkg-List">
        {environments?.map(one => (
          <li key={one.id}>
            <button
              type="button"
              className="jpkg-Choice"
              aria-current={one.id === environment?.id}
              onClick={() => void session.choose(one.id)}
            >
              <span className="jpkg-Choice-name" title={one.name}>
                {one.name}
              </span>
              <span className={`jpkg-Badge jpkg-mod-${one.kind === 'conda' ? 'conda' : 'pypi'}`}>
                {kindLabel(one, trans)}
              </span>
              <span className="jpkg-Muted">{runtimeLabel(one, trans)}</span>
              <span className="jpkg-Choice-path" title={one.prefix}>
                <bdi>{one.prefix}</bdi>
              </span>
              {one.kernels.length > 0 && (
                <span className="jpkg-Choice-kernels">
                  {trans._n('%1 running kernel', '%1 running kernels', one.kernels.length)}
                </span>
              )}
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
