import type { ReactNode } from 'react';

/** A list and, when there is one, the details: beside it where there is room, otherwise in its place. */
export function Split({ main, side }: { main: ReactNode; side: ReactNode }) {
  return (
    <div className="jpkg-Split" data-open={side !== null}>
      <div className="jpkg-Split-main">{main}</div>
      {side !== null && <div className="jpkg-Split-side">{side}</div>}
    </div>
  );
}
