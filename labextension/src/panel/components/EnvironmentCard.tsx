import { useState } from 'react';

import type { IEnvironment, IKernel } from '../documents';
import type { ITranslation } from '../translation';
import { useStore } from '../store';
import { Button } from './Button';
import { useModel } from './context';
import { Icon } from './icons';

/** Which environment this is, and how that is known. */
export function EnvironmentCard({ environment }: { environment: IEnvironment }) {
  const { session, trans } = useModel();
  const { kernel, chosen, kernelId } = useStore(session);
  const [open, setOpen] = useState(false);
  return (
    <header className="jpkg-Card">
      <div className="jpkg-Card-head">
        <Icon name="environment" />
        <h2 className="jpkg-Card-name" title={environment.name}>
          {environment.name}
        </h2>
        <span className={`jpkg-Badge jpkg-mod-${environment.kind === 'conda' ? 'conda' : 'pypi'}`}>
          {kindLabel(environment, trans)}
        </span>
        <span className="jpkg-Card-python">{runtimeLabel(environment, trans)}</span>
        <Button
          kind="quiet"
          icon="chevron"
          className="jpkg-Card-toggle"
          aria-expanded={open}
          aria-label={
            open ? trans.__('Less about this environment') : trans.__('More about this environment')
          }
          onClick={() => setOpen(!open)}
        />
      </div>
      <div className="jpkg-Card-path">
        <span className="jpkg-Ellipsis" title={environment.prefix}>
          <bdi>{environment.prefix}</bdi>
        </span>
        {environment.policies.map(({ kind, message }) => (
          <span key={kind} className="jpkg-Badge jpkg-mod-warning" title={message}>
            {policyLabel(kind, trans)}
          </span>
        ))}
      </div>
      {open && <Facts environment={environment} kernel={kernel} />}
      {open && (
        <div className="jpkg-Card-actions">
          <Button onClick={() => void session.openChooser()}>
            {trans.__('Other environment…')}
          </Button>
        </div>
      )}
      {chosen && kernelId !== null && (
        <div className="jpkg-Card-actions">
          <span className="jpkg-Muted">
            {trans.__('not the environment of the current kernel')}
          </span>
          <Button onClick={() => void session.followAgain()}>
            {trans.__('Back to the kernel')}
          </Button>
        </div>
      )}
    </header>
  );
}

function Facts({ environment, kernel }: { environment: IEnvironment; kernel: IKernel | null }) {
  const { trans } = useModel();
  const { python, evidence, policies, settings = [] } = environment;
  return (
    <dl className="jpkg-Facts">
      {kernel && <Fact name={trans.__('Kernel')} values={[kernel.display_name]} />}
      <Fact name={trans.__('Path')} values={[environment.prefix]} code />
      {python && <Fact name={trans.__('Interpreter')} values={[python.executable]} code />}
      <Fact name={trans.__('Made by')} values={[environment.owner]} />
      <Fact name={trans.__('Policies')} values={policies.map(({ message }) => message)} />
      <Fact
        name={trans.__('Why this one')}
        values={evidence.map(({ source, detail }) => (detail ? `${source}: ${detail}` : source))}
      />
      <Fact
        name={trans.__('Settings')}
        values={settings.map(([setting, value]) => `${setting}: ${value}`)}
      />
    </dl>
  );
}

function Fact({ name, values, code }: { name: string; values: readonly string[]; code?: boolean }) {
  const texts = values.filter(Boolean);
  return texts.length === 0 ? null : (
    <>
      <dt>{name}</dt>
      {texts.map((text, index) => (
        <dd key={index}>{code ? <code>{text}</code> : text}</dd>
      ))}
    </>
  );
}

export function kindLabel({ kind }: IEnvironment, trans: ITranslation): string {
  switch (kind) {
    case 'conda':
      return trans.__('conda');
    case 'venv':
      return trans.__('venv');
    case 'system':
      return trans.__('system');
  }
}

/** The Python in it, or the language it is for where there is none. */
export function runtimeLabel({ python, language }: IEnvironment, trans: ITranslation): string {
  return python ? trans.__('Python %1', python.version) : language;
}

function policyLabel(kind: IEnvironment['policies'][number]['kind'], trans: ITranslation): string {
  switch (kind) {
    case 'read-only':
      return trans.__('read-only');
    case 'frozen':
      return trans.__('frozen');
    case 'externally-managed':
      return trans.__('externally managed');
    case 'base':
      return trans.__('conda base');
    case 'server':
      return trans.__('runs this server');
  }
}
