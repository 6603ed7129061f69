import type { RefObject } from 'react';
import { useEffect, useRef } from 'react';

/** Where the keyboard is well kept; a grid has its row, a view itself, the panel its current tab. */
const HOMES = '[role="grid"], [role="tabpanel"], .jpkg-Panel';
const INSIDE = '[role="row"][tabindex="0"], [role="tab"][aria-selected="true"]';

/**
 * Keeps the keyboard in the panel: when the element that has the focus goes away (its row was removed, its change
 * applied), the nearest place around it that is still there takes the focus.
 *
 * No button does: an Enter on its way must not do anything.
 */
export function useKeptFocus(panel: RefObject<HTMLElement>): void {
  const around = useRef<HTMLElement[]>([]);
  useEffect(() => {
    const root = panel.current;
    if (!root) {
      return;
    }
    const onFocus = ({ target }: FocusEvent) => {
      around.current = target instanceof HTMLElement ? withParents(target) : [];
    };
    const observer = new MutationObserver(() => {
      const [focused, ...parents] = around.current;
      if (focused && !focused.isConnected && document.activeElement === document.body) {
        const home = parents.find(one => one.isConnected && one.matches(HOMES));
        const inside = home?.matches('[role="tabpanel"]') ? null : home?.querySelector(INSIDE);
        ((inside as HTMLElement | null | undefined) ?? home)?.focus();
      }
    });
    root.addEventListener('focusin', onFocus);
    observer.observe(root, { subtree: true, childList: true });
    return () => {
      observer.disconnect();
      root.removeEventListener('focusin', onFocus);
    };
  }, [panel]);
}

function withParents(element: HTMLElement): HTMLElement[] {
  const found: HTMLElement[] = [];
  for (let one: HTMLElement | null = element; one; one = one.parentElement) {
    found.push(one);
  }
  return found;
}
