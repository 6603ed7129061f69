import type { ISettingRegistry } from '@jupyterlab/settingregistry';

import { PANEL } from './tokens';

/** The settings of all plugins: the defaults are those of the schema. */
export interface IPackageSettings {
  side: 'left' | 'right';
  showStatus: boolean;
  notify: boolean;
  attachHint: boolean;
}

const DEFAULTS: IPackageSettings = {
  side: 'left',
  showStatus: true,
  notify: true,
  attachHint: true
};

/** Call `apply` with what is set, now and whenever it changes. Without a registry: with the defaults, once. */
export async function followSettings(
  registry: ISettingRegistry | null,
  apply: (settings: IPackageSettings) => void
): Promise<void> {
  if (registry === null) {
    apply(DEFAULTS);
    return;
  }
  const settings = await registry.load(PANEL);
  const update = (): void =>
    apply({ ...DEFAULTS, ...(settings.composite as Partial<IPackageSettings>) });
  settings.changed.connect(update);
  update();
}
