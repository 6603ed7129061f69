import type { KeyboardEvent, ReactNode } from 'react';
import { useId } from 'react';

export interface ITabItem<Id extends string> {
  id: Id;
  label: string;
  /** A number beside the label, and what it means to who can't see it. */
  count?: number;
  countLabel?: string;
}

interface ITabsProps<Id extends string> {
  label: string;
  tabs: readonly ITabItem<Id>[];
  current: Id;
  onChange: (id: Id) => void;
  children: ReactNode;
}

/** A list of tabs with the panel of the current one (ARIA Authoring Practices, automatic activation). */
export function Tabs<Id extends string>({
  label,
  tabs,
  current,
  onChange,
  children
}: ITabsProps<Id>) {
  const base = useId();
  const onKeyDown = (event: KeyboardEvent<HTMLElement>) => {
    const at = tabs.findIndex(({ id }) => id === current);
    const goals: Record<string, number> = {
      ArrowRight: (at + 1) % tabs.length,
      ArrowLeft: (at - 1 + tabs.length) % tabs.length,
      Home: 0,
      End: tabs.length - 1
    };
    const index = goals[event.key] ?? -1;
    const goal = tabs[index];
    if (goal) {
      event.preventDefault();
      event.stopPropagation();
      onChange(goal.id);
      event.currentTarget.querySelectorAll<HTMLElement>('[role="tab"]')[index]?.focus();
    }
  };
  return (
    <div className="jpkg-Tabs">
      <div role="tablist" aria-label={label} className="jpkg-Tabs-list" onKeyDown={onKeyDown}>
        {tabs.map(({ id, label: text, count, countLabel }) => (
          <button
            key={id}
            id={`${base}-${id}`}
            type="button"
            role="tab"
            className="jpkg-Tab"
            aria-selected={id === current}
            aria-controls={`${base}-panel`}
            tabIndex={id === current ? 0 : -1}
            onClick={() => onChange(id)}
          >
            {text}
            {count !== undefined && count > 0 && (
              <span className="jpkg-Count" title={countLabel}>
                {count}
              </span>
            )}
          </button>
        ))}
      </div>
      <div
        role="tabpanel"
        tabIndex={-1}
        id={`${base}-panel`}
        aria-labelledby={`${base}-${current}`}
        className="jpkg-Tabs-panel"
      >
        {children}
      </div>
    </div>
  );
}
