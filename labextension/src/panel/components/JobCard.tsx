import { useState } from 'react';

import type { IJob, VerdictLevel } from '../documents';
import { isEnded } from '../documents';
import { byWhom, moment, phaseLabel, seconds } from '../format';
import type { IJobView } from '../model/jobs';
import { appliedBy } from '../model/jobs';
import type { IPackageProgress, IProgress } from '../progress';
import { downloaded } from '../progress';
import type { ITranslation } from '../translation';
import { Button } from './Button';
import { StateBadge } from './badges';
import { ChangeSummary } from './ChangeSummary';
import { useModel } from './context';
import { Icon } from './icons';
import { ErrorNote, Notices } from './notes';

/** One job: what it does, how far it is, its log on demand, its result. */
export function JobCard({ view }: { view: IJobView }) {
  const { jobs, trans } = useModel();
  const { job, progress, lost, cancelling } = view;
  const ended = isEnded(job);
  return (
    <article className="jpkg-Job" aria-label={job.title}>
      <div className="jpkg-Job-head">
        <span className="jpkg-Job-title jpkg-Ellipsis" title={job.title}>
          {job.title}
        </span>
        <StateBadge state={job.state} />
      </div>
      <p className="jpkg-Muted">
        {[moment(job.started ?? job.created), duration(job, trans), ...byWhom(job)]
          .filter(Boolean)
          .join(' · ')}
      </p>
      {!ended && <ProgressLine progress={progress} position={job.position} lost={lost} />}
      {!ended && <PackageProgress progress={progress} />}
      {job.error &&
        (job.state === 'cancelled' ? (
          <p className="jpkg-Muted">{job.error.message}</p> // as it was wanted: no error to anybody
        ) : (
          <ErrorNote error={job.error} told />
        ))}
      <Result job={job} />
      <div className="jpkg-Job-actions">
        {!ended && (
          <Button disabled={cancelling} onClick={() => void jobs.cancel(job.id)}>
            {cancelling ? trans.__('Cancelling…') : trans.__('Cancel')}
          </Button>
        )}
        <Log view={view} />
      </div>
    </article>
  );
}

function duration({ started, ended }: IJob, trans: ITranslation): string {
  return started && ended ? seconds((Date.parse(ended) - Date.parse(started)) / 1000, trans) : '';
}

interface IProgressLineProps {
  progress: IProgress;
  /** Place in the queue. */
  position: number;
  lost: boolean;
}

/** What happens right now in one sentence, over a bar. */
export function ProgressLine({ progress, position, lost }: IProgressLineProps) {
  const { trans } = useModel();
  const share = downloaded(progress);
  const { phase, waiting, step } = progress;
  const doing = phase ? phaseLabel(phase, trans) : trans.__('Starting');
  const queued = trans._n('Waiting behind %1 other job', 'Waiting behind %1 other jobs', position);
  const text = lost
    ? trans.__('The connection is lost; the job goes on without it')
    : waiting || (position > 0 ? queued : step ? trans.__('%1 (step %2)', doing, step + 1) : doing);
  const known = share !== null && phase === 'download';
  return (
    <div className="jpkg-Progress">
      <span className="jpkg-Progress-text jpkg-Ellipsis" title={text}>
        {text}
      </span>
      <div
        className={`jpkg-Bar ${known ? '' : 'jpkg-mod-unknown'}`}
        role="progressbar"
        aria-label={text}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={known ? Math.round(share * 100) : undefined}
      >
        <span style={known ? { width: `${share * 100}%` } : undefined} />
      </div>
    </div>
  );
}

const NAMED = 8;

/** The packages that move right now; those that are done are only counted. */
function PackageProgress({ progress }: { progress: IProgress }) {
  const { trans } = useModel();
  const all = [...progress.packages.values()];
  const moving = all.filter(({ state }) => state !== 'finished');
  const done = all.length - moving.length;
  if (all.length === 0) {
    return null;
  }
  return (
    <ul className="jpkg-Job-packages">
      {moving.slice(0, NAMED).map(one => (
        <li key={one.name}>
          <span className="jpkg-Ellipsis" title={one.name}>
            {one.name}
          </span>
          <span className="jpkg-Muted">
            {packageText(one, one.phase ? phaseLabel(one.phase, trans) : '')}
          </span>
        </li>
      ))}
      {moving.length > NAMED && (
        <li className="jpkg-Muted">
          {trans._n('and %1 more', 'and %1 more', moving.length - NAMED)}
        </li>
      )}
      {done > 0 && <li className="jpkg-Muted">{trans._n('%1 done', '%1 done', done)}</li>}
    </ul>
  );
}

function packageText({ done, total }: IPackageProgress, phase: string): string {
  return total && done !== null ? `${phase} ${Math.floor((done / total) * 100)} %` : phase;
}

function Result({ job }: { job: IJob }) {
  const { trans } = useModel();
  const applied = appliedBy(job);
  if (!applied) {
    return null;
  }
  const levels = Object.values(applied.verdicts).map(({ level }) => level);
  const worst = (['required', 'recommended'] as VerdictLevel[]).find(level =>
    levels.includes(level)
  );
  return (
    <>
      <ChangeSummary changes={applied.changes} />
      <Notices tone="warning" notices={applied.warnings} />
      {worst && (
        <p className="jpkg-Job-verdict">
          <Icon name="refresh" />
          {worst === 'required'
            ? trans.__('Running kernels had to restart after this')
            : trans.__('Running kernels should restart to use this')}
        </p>
      )}
    </>
  );
}

function Log({ view }: { view: IJobView }) {
  const { jobs, trans } = useModel();
  const [open, setOpen] = useState(false);
  const { log, displays, dropped } = view.progress;
  const lines = [...log, ...displays.values()];
  const onToggle = () => {
    setOpen(!open);
    if (!open) {
      void jobs.readLog(view.job.id);
    }
  };
  return (
    <>
      <Button
        kind="quiet"
        icon="chevron"
        className="jpkg-Toggle"
        aria-expanded={open}
        onClick={onToggle}
      >
        {trans.__('Log')}
      </Button>
      {open && (
        <pre className="jpkg-Log" tabIndex={0} aria-label={trans.__('Log of %1', view.job.title)}>
          {dropped > 0 && `${trans._n('(%1 earlier line)', '(%1 earlier lines)', dropped)}\n`}
          {lines.length ? lines.join('\n') : trans.__('Nothing was written')}
        </pre>
      )}
    </>
  );
}
