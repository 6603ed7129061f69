import { defaultRangeExtractor, useVirtualizer } from '@tanstack/react-virtual';
import type { KeyboardEvent, ReactNode } from 'react';
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react';

/** Rows are rendered this far beyond what is seen, so that fast scrolling meets no blank ones. */
const OVERSCAN = 10;
/** Milliseconds after which typed letters begin a new word. */
const TYPED = 700;

export interface IVirtualGridProps<Item> {
  label: string;
  items: readonly Item[];
  rowHeight: number;
  headerHeight?: number;
  header?: ReactNode;
  className?: string;
  itemKey: (item: Item) => string;
  /** What typing letters looks for. */
  itemText: (item: Item) => string;
  rowClass?: (item: Item) => string;
  /** The cells, each with `role="gridcell"`; their buttons have `tabIndex={-1}`. */
  renderCells: (item: Item) => ReactNode;
  onOpen: (item: Item) => void;
  /** Any other key on a row; returns whether it meant something. */
  onKey?: (event: KeyboardEvent, item: Item) => boolean;
  /** The row that is open beside the list. */
  openKey?: string | null;
  /** Puts the focus on the row that had it last, each time it grows. */
  focusRequest?: number;
}

/**
 * A list of any length with the keys of a grid (ARIA Authoring Practices): one row is in the order of Tab;
 * arrows, Page, Home and End move it; letters jump to a name; Right goes to the row's buttons, Left back.
 */
export function VirtualGrid<Item>(props: IVirtualGridProps<Item>) {
  const { items, rowHeight, headerHeight = 0, header, itemKey } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const [activeKey, setActiveKey] = useState<string | null>(null);
  const found = activeKey === null ? -1 : items.findIndex(item => itemKey(item) === activeKey);
  const active = Math.max(0, found);
  const rows = useVirtualizer({
    count: items.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    overscan: OVERSCAN,
    scrollMargin: headerHeight,
    scrollPaddingStart: headerHeight,
    getItemKey: useCallback(
      (index: number) => {
        const item = items[index];
        return item === undefined ? index : itemKey(item);
      },
      [items, itemKey]
    ),
    rangeExtractor: useCallback(
      (range: Parameters<typeof defaultRangeExtractor>[0]) => {
        const indexes = new Set([active, ...defaultRangeExtractor(range)]);
        return [...indexes].filter(index => index < range.count).sort((a, b) => a - b);
      },
      [active]
    )
  });
  const focusRow = useRowFocus(scroller, props.focusRequest ?? 0, active);
  const moveTo = (index: number) => {
    const item = items[index];
    if (item !== undefined) {
      setActiveKey(itemKey(item));
      rows.scrollToIndex(index);
      focusRow(index);
    }
  };
  const onKeyDown = useGridKeys(props, active, moveTo, scroller);
  return (
    <div
      ref={scroller}
      role="grid"
      className={`jpkg-Grid ${props.className ?? ''}`}
      aria-label={props.label}
      aria-rowcount={items.length + (header ? 1 : 0)}
      onKeyDown={onKeyDown}
    >
      {header && (
        <div role="rowgroup" className="jpkg-Grid-head">
          <div
            role="row"
            aria-rowindex={1}
            className="jpkg-Grid-row"
            style={{ height: headerHeight }}
          >
            {header}
          </div>
        </div>
      )}
      <div role="rowgroup" className="jpkg-Grid-body" style={{ height: rows.getTotalSize() }}>
        {rows.getVirtualItems().map(({ index, key, start, size }) => {
          const item = items[index];
          return item === undefined ? null : (
            <div
              key={key}
              role="row"
              data-index={index}
              tabIndex={index === active ? 0 : -1}
              aria-rowindex={index + (header ? 2 : 1)}
              aria-selected={itemKey(item) === props.openKey}
              className={`jpkg-Grid-row ${props.rowClass?.(item) ?? ''}`}
              style={{ height: size, transform: `translateY(${start - headerHeight}px)` }}
              onFocus={() => setActiveKey(itemKey(item))}
              onClick={() => props.onOpen(item)}
            >
              {props.renderCells(item)}
            </div>
          );
        })}
      </div>
    </div>
  );
}

/** Focus a row as soon as it is rendered. */
function useRowFocus(scroller: React.RefObject<HTMLDivElement>, request: number, active: number) {
  const wanted = useRef<number | null>(null);
  const answered = useRef(request);
  const [, renderAgain] = useState(0);
  useLayoutEffect(() => {
    if (wanted.current !== null) {
      const row = scroller.current?.querySelector<HTMLElement>(`[data-index="${wanted.current}"]`);
      if (row) {
        wanted.current = null;
        row.focus({ preventScroll: true });
      }
    }
  });
  useEffect(() => {
    if (request !== answered.current) {
      answered.current = request;
      scroller.current?.querySelector<HTMLElement>(`[data-index="${active}"]`)?.focus();
    }
  }, [request, active, scroller]);
  return (index: number) => {
    wanted.current = index;
    renderAgain(count => count + 1);
  };
}

function useGridKeys<Item>(
  { items, rowHeight, itemText, onOpen, onKey }: IVirtualGridProps<Item>,
  active: number,
  moveTo: (index: number) => void,
  scroller: React.RefObject<HTMLDivElement>
) {
  const typed = useRef({ text: '', at: 0 });
  const jump = (letter: string, at: number) => {
    const again = at - typed.current.at < TYPED;
    const text = (again ? typed.current.text : '') + letter.toLowerCase();
    typed.current = { text, at };
    const index = nextBeginning(items.map(itemText), text, active);
    if (index >= 0) {
      moveTo(index);
    }
  };
  return (event: KeyboardEvent<HTMLElement>) => {
    const target = event.target as HTMLElement;
    const row = target.closest<HTMLElement>('[data-index]');
    const item = items[active];
    if (!row || item === undefined || event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    const page = Math.max(1, Math.floor((scroller.current?.clientHeight ?? 0) / rowHeight) - 1);
    const last = items.length - 1;
    const goals: Record<string, number> = {
      ArrowDown: Math.min(last, active + 1),
      ArrowUp: Math.max(0, active - 1),
      PageDown: Math.min(last, active + page),
      PageUp: Math.max(0, active - page),
      Home: 0,
      End: last
    };
    const goal = goals[event.key];
    if (goal !== undefined) {
      moveTo(goal);
    } else if (event.key === 'ArrowRight' || event.key === 'ArrowLeft') {
      withinRow(row, target, event.key === 'ArrowRight');
    } else if (target !== row) {
      return;
    } else if (event.key === 'Enter' || event.key === ' ') {
      onOpen(item);
    } else if (!onKey?.(event, item)) {
      if (event.key.length !== 1) {
        return;
      }
      jump(event.key, event.timeStamp);
    }
    event.preventDefault();
    event.stopPropagation();
  };
}

/** From the row to its first button, from button to button, and back to the row. */
function withinRow(row: HTMLElement, target: HTMLElement, forward: boolean): void {
  const stops = [row, ...row.querySelectorAll<HTMLElement>('button')];
  stops[stops.indexOf(target) + (forward ? 1 : -1)]?.focus();
}

/** The next text that begins like this; one letter goes on from the active one, more begin with it. */
function nextBeginning(texts: readonly string[], beginning: string, active: number): number {
  const from = beginning.length === 1 ? active + 1 : active;
  for (let step = 0; step < texts.length; step += 1) {
    const index = (from + step) % texts.length;
    if (texts[index]?.toLowerCase().startsWith(beginning)) {
      return index;
    }
  }
  return -1;
}
