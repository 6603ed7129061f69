import type { IEntry } from '../documents';
import type { ITranslation } from '../translation';
import { byWhom, moment, seconds } from '../format';
import { useStore } from '../store';
import { Button } from './Button';
import { ChangeSummary } from './ChangeSummary';
import { useModel } from './context';
import { Empty, ReadError, Skeleton } from './notes';
import { Paged } from './Paged';

/** What was done to this environment, by whom, and the way back. */
export function HistoryView() {
  const { history, session, trans } = useModel();
  const { connection } = useStore(session);
  const { loading, error, entries } = useStore(history);
  const again = () => void history.refresh();
  if (loading === 'failed' && error) {
    return <ReadError error={error} onAgain={again} />;
  }
  if (loading !== 'ready') {
    return <Skeleton rows={6} label={trans.__('Reading the history')} />;
  }
  if (entries.length === 0) {
    return (
      <Empty icon="clock" title={trans.__('Nothing was changed here yet')}>
        {trans.__('Every change is noted, and can be taken back without network.')}
      </Empty>
    );
  }
  const undone = new Set(
    entries.filter(({ result }) => result === 'committed').flatMap(({ undoes }) => undoes)
  );
  const commands = new Map(entries.map(({ id, command }) => [id, command]));
  return (
    <div className="jpkg-Scroll">
      {error && connection !== 'offline' && <ReadError error={error} onAgain={again} />}
      <Paged items={entries} keyOf={({ id }) => id} label={trans.__('History')}>
        {entry => (
          <Entry
            entry={entry}
            undone={undone.has(entry.id)}
            takenBack={entry.undoes.flatMap(id => commands.get(id) ?? [])}
          />
        )}
      </Paged>
    </div>
  );
}

interface IEntryProps {
  entry: IEntry;
  undone: boolean;
  /** The commands that it took back. */
  takenBack: readonly string[];
}

function Entry({ entry, undone, takenBack }: IEntryProps) {
  const { changes, trans } = useModel();
  const { phase } = useStore(changes);
  const title = takenBack.length ? trans.__('Undo: %1', takenBack.join(', ')) : entry.command;
  const undo = () =>
    void changes.request({ command: `undo ${entry.id}` }, trans.__('Undo: %1', entry.command));
  return (
    <article className="jpkg-Job" aria-label={entry.command}>
      <div className="jpkg-Job-head">
        <code className="jpkg-Job-title jpkg-Ellipsis" title={entry.command}>
          {title}
        </code>
        {entry.result !== 'committed' && (
          <span className={`jpkg-Badge jpkg-mod-${entry.result}`}>
            {resultLabel(entry.result, trans)}
          </span>
        )}
        {undone && <span className="jpkg-Badge">{trans.__('taken back')}</span>}
        {entry.result === 'committed' && entry.has_snapshot && !undone && (
          <Button
            icon="undo"
            disabled={phase !== 'idle'}
            aria-label={trans.__('Undo %1', entry.command)}
            onClick={undo}
          >
            {trans.__('Undo')}
          </Button>
        )}
      </div>
      <p className="jpkg-Muted">
        {[moment(entry.started), seconds(entry.seconds, trans), ...byWhom(entry)]
          .filter(Boolean)
          .join(' · ')}
      </p>
      {entry.message && <p>{entry.message}</p>}
      <ChangeSummary changes={entry.changes} />
    </article>
  );
}

function resultLabel(result: IEntry['result'], trans: ITranslation): string {
  switch (result) {
    case 'committed':
      return trans.__('done');
    case 'rolled-back':
      return trans.__('failed, taken back');
    case 'failed':
      return trans.__('failed');
    case 'cancelled':
      return trans.__('cancelled');
    case 'recovered':
      return trans.__('interrupted, taken back');
    case 'unreadable':
      return trans.__('can not be read');
  }
}
