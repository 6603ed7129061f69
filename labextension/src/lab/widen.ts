import { SplitPanel, type Widget } from '@lumino/widgets';

/** Pixels that a list of packages wants; what hosts give a new side panel is less. */
const WANTED = 340;
/** What is narrower than this was not chosen by anybody: it is how hosts begin. */
const UNTOUCHED = 300;

/** Give a side panel room, at the cost of the widest part beside it. */
export function widen(panel: Widget): void {
  let part: Widget = panel;
  while (part.parent && !(part.parent instanceof SplitPanel)) {
    part = part.parent;
  }
  const split = part.parent;
  const width = panel.node.clientWidth;
  if (!(split instanceof SplitPanel) || width === 0 || width >= UNTOUCHED) {
    return;
  }
  const sizes = split.relativeSizes();
  const index = split.widgets.indexOf(part);
  const widest = sizes.indexOf(Math.max(...sizes));
  const more = (WANTED - width) / split.node.clientWidth;
  if (widest !== index && (sizes[widest] ?? 0) > 2 * more) {
    split.setRelativeSizes(
      sizes.map((size, at) => size + (at === index ? more : at === widest ? -more : 0))
    );
  }
}
