import { createContext, useContext } from 'react';

import type { PanelModel } from '../model';

export const ModelContext = createContext<PanelModel | null>(null);

/** The panel's model; every component below `Panel` has it. */
export function useModel(): PanelModel {
  const model = useContext(ModelContext);
  if (!model) {
    throw new Error('a component of the panel stands outside of it');
  }
  return model;
}
