import type { IProblem } from '../documents';
import { useStore } from '../store';
import { Button } from './Button';
import { useModel } from './context';
import { Empty, Hint, Note, ReadError, Skeleton } from './notes';
import { Paged } from './Paged';

/** What the inventory shows to be wrong, and what the doctor finds. */
export function ProblemsView() {
  const { doctor, packages, trans } = useModel();
  const { phase, files, error, problems: found } = useStore(doctor);
  const { problems: seen } = useStore(packages);
  const problems = phase === 'ready' ? found : seen;
  return (
    <div className="jpkg-Scroll">
      <div className="jpkg-Toolbar jpkg-mod-row">
        <Button
          kind={phase === 'none' ? 'primary' : 'plain'}
          disabled={phase === 'running'}
          onClick={() => void doctor.examine(false)}
        >
          {trans.__('Examine')}
        </Button>
        <Button disabled={phase === 'running'} onClick={() => void doctor.examine(true)}>
          {trans.__('Examine every file')}
        </Button>
        {phase === 'running' && <span className="jpkg-Spinner" aria-hidden="true" />}
      </div>
      {error && <ReadError error={error} onAgain={() => void doctor.examine(files)} />}
      {phase === 'running' && <Skeleton rows={3} label={trans.__('Examining the environment')} />}
      {phase !== 'running' && problems.length > 0 && (
        <Paged
          items={[...problems.entries()]}
          keyOf={([index]) => String(index)}
          label={trans.__('Problems')}
        >
          {([, problem]) => (
            <div className="jpkg-Pad">
              <Finding problem={problem} />
            </div>
          )}
        </Paged>
      )}
      {problems.length === 0 && phase === 'ready' && (
        <Empty icon="check" title={trans.__('Nothing is broken')}>
          {files
            ? trans.__('Every file is as its package recorded it.')
            : trans.__('Records, files and dependencies fit together.')}
        </Empty>
      )}
      {problems.length === 0 && phase === 'none' && (
        <Empty icon="search" title={trans.__('No problem is known')}>
          {trans.__(
            'Examine looks for missing files, broken dependencies and what other tools changed.'
          )}
        </Empty>
      )}
    </div>
  );
}

function Finding({ problem }: { problem: IProblem }) {
  const model = useModel();
  const { changes, trans, packages } = model;
  const { phase } = useStore(changes);
  const { command } = problem;
  const hint = command && problem.hint?.includes(command) ? null : problem.hint; // there is a button for it
  return (
    <Note
      tone="warning"
      actions={
        command && (
          <Button
            kind="primary"
            disabled={phase !== 'idle'}
            title={`%pkg ${command}`}
            aria-label={trans.__('Mend: %1', problem.message)}
            onClick={() => void changes.request({ command }, trans.__('Mend: %1', problem.message))}
          >
            {trans.__('Mend')}
          </Button>
        )
      }
    >
      <p className="jpkg-Note-message">{problem.message}</p>
      {problem.path && (
        <p>
          <code>{problem.path}</code>
        </p>
      )}
      <Hint hint={hint} />
      <p className="jpkg-Finding-packages">
        {problem.packages
          .filter(name => packages.find(name))
          .map(name => (
            <button key={name} type="button" className="jpkg-Link" onClick={() => model.show(name)}>
              {name}
            </button>
          ))}
      </p>
    </Note>
  );
}
