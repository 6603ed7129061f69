/**
 * The seam to a host's translations: the two functions of JupyterLab's bundle that the panel uses.
 *
 * Strings are literals; `%1`, `%2` … stand for arguments, in `_n` `%1` is the number.
 */
export interface ITranslation {
  __(text: string, ...args: (string | number)[]): string;
  _n(singular: string, plural: string, n: number, ...args: (string | number)[]): string;
}

function fill(text: string, args: readonly (string | number)[]): string {
  return text.replace(/%(\d)/g, (all, index: string) => String(args[Number(index) - 1] ?? all));
}

/** English as it stands in the source, for hosts without translations. */
export const english: ITranslation = {
  __: (text, ...args) => fill(text, args),
  _n: (singular, plural, n, ...args) => fill(n === 1 ? singular : plural, [n, ...args])
};
