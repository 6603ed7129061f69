import type { ReactNode } from 'react';
import { Component } from 'react';

import type { IError } from '../documents';
import { asFault } from '../errors';
import { ModelContext } from './context';
import { ErrorNote } from './notes';

interface IBoundaryState {
  error: IError | null;
}

/** Keeps an error of one view from taking the panel, and its host's page, with it. */
export class Boundary extends Component<{ children: ReactNode }, IBoundaryState> {
  static override contextType = ModelContext;
  declare context: React.ContextType<typeof ModelContext>;
  override state: IBoundaryState = { error: null };

  static getDerivedStateFromError(error: unknown): IBoundaryState {
    return { error: asFault(error) };
  }

  override render(): ReactNode {
    const { error } = this.state;
    return error ? (
      <div className="jpkg-Pad">
        <ErrorNote error={error} onAgain={() => this.#again()} />
      </div>
    ) : (
      this.props.children
    );
  }

  #again(): void {
    this.context?.details.close();
    this.setState({ error: null });
    void this.context?.packages.refresh();
  }
}
