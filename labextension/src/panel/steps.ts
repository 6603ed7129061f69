/**
 * The steps as one reads them: what one engine removes first and installs last is one list.
 */
export function asLists<T extends { changes: readonly unknown[] }>(steps: readonly T[]): T[] {
  const lists = new Map<string, T>();
  for (const step of steps) {
    const { changes, ...engine } = step;
    const key = JSON.stringify(engine);
    const list = lists.get(key);
    lists.set(key, list ? { ...list, changes: [...list.changes, ...changes] } : step);
  }
  return [...lists.values()];
}
