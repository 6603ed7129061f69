import type { KeyboardEvent } from 'react';
import { useRef } from 'react';

import type { PanelModel, Tab } from '../model';
import { useStore } from '../store';
import { ActionBar } from './ActionBar';
import { Announcements } from './Announcements';
import { Banners } from './Banners';
import { Boundary } from './Boundary';
import { ChangesView } from './ChangesView';
import { Chooser } from './Chooser';
import { ModelContext, useModel } from './context';
import { EnvironmentCard } from './EnvironmentCard';
import { useKeptFocus } from './focus';
import { HistoryView } from './HistoryView';
import { InstalledView } from './InstalledView';
import { NoServer } from './NoServer';
import { ErrorNote, Skeleton } from './notes';
import { PlanDialog } from './PlanDialog';
import { ProblemsView } from './ProblemsView';
import { SearchView } from './SearchView';
import type { ITabItem } from './Tabs';
import { Tabs } from './Tabs';

/** The panel, in whatever host: everything it shows and does goes through its model. */
export function Panel({ model }: { model: PanelModel }) {
  const panel = useRef<HTMLDivElement>(null);
  useKeptFocus(panel);
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      event.stopPropagation();
      void model.changes.applyCart();
    }
  };
  return (
    <ModelContext.Provider value={model}>
      <div ref={panel} className="jpkg-Panel" tabIndex={-1} onKeyDown={onKeyDown}>
        <Announcements />
        <Boundary>
          <Content />
          <PlanDialog />
        </Boundary>
      </div>
    </ModelContext.Provider>
  );
}

function Content() {
  const { session, trans } = useModel();
  const { connection, error, environment, choosing, kernel, settings, kernelId, environments } =
    useStore(session);
  if (connection === 'absent') {
    return <NoServer />;
  }
  if (connection === 'failed' && error) {
    return (
      <div className="jpkg-Pad">
        <ErrorNote error={error} onAgain={() => void session.connect()} />
      </div>
    );
  }
  const starting = connection === 'loading' || (kernelId !== null && !kernel && !error);
  if (starting && !environment) {
    return <Skeleton rows={8} label={trans.__('Looking for the environment')} />;
  }
  if (choosing || !environment) {
    return (
      <>
        <Banners />
        {(settings ?? environments) && <Chooser />}
      </>
    );
  }
  return (
    <>
      <EnvironmentCard environment={environment} />
      <Banners />
      <Views />
      <ActionBar />
    </>
  );
}

function Views() {
  const model = useModel();
  const { changes, packages, doctor, details, trans } = model;
  const { tab } = useStore(model);
  const { cart } = useStore(changes);
  const { problems: seen } = useStore(packages);
  const { problems: found, phase } = useStore(doctor);
  const problems = (phase === 'ready' ? found : seen).length;
  const tabs: ITabItem<Tab>[] = [
    { id: 'installed', label: trans.__('Installed') },
    { id: 'search', label: trans.__('Search') },
    {
      id: 'changes',
      label: trans.__('Changes'),
      count: cart.length,
      countLabel: trans.__('not applied yet')
    },
    { id: 'history', label: trans.__('History') },
    { id: 'problems', label: trans.__('Problems'), count: problems }
  ];
  const onChange = (id: Tab) => {
    details.close();
    model.setTab(id);
  };
  return (
    <Tabs label={trans.__('Packages')} tabs={tabs} current={tab} onChange={onChange}>
      {tab === 'installed' && <InstalledView />}
      {tab === 'search' && <SearchView />}
      {tab === 'changes' && <ChangesView />}
      {tab === 'history' && <HistoryView />}
      {tab === 'problems' && <ProblemsView />}
    </Tabs>
  );
}
