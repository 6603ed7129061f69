/** A hint of the server, in the words of somebody who has a panel. */
export interface IHint {
  text: string;
  /** Whether it is something to type, into a cell. */
  isTyped: boolean;
  /** What the panel can plan of it by itself. */
  command: string | null;
}

/** A way out that is an option of a command: the panel has no such button. */
const OPTION = /(?:^|\s)--[a-z]|^-[a-z]\b/i;
/** One change of one package at the end; more words may be about a command. */
const PLANNED = /(?:^|: )%pkg ((?:install|update|remove) \S+)$/;

/** Words with which a hint goes on after a command, or an option. */
const PROSE =
  'again|and|brings|changes|checks|first|for|goes|has|in|is|it|lists|looks|makes|names|shows|takes|tries|when|works';
/** What is to be typed, inside a sentence. */
const TYPED = new RegExp(
  `%pkg(?: (?!(?:${PROSE})\\b)(?:"[^"]*"|'[^']*'|\\S*[^\\s,;:]))+|(?<!\\S)--?[a-z][\\w-]*`,
  'g'
);

/** A piece of a hint: prose, or what is to be typed as it stands. */
export interface IPiece {
  text: string;
  isTyped: boolean;
}

/** A sentence, with what is to be typed apart from what is said of it. */
export function pieces(text: string): IPiece[] {
  const found: IPiece[] = [];
  let end = 0;
  for (const { 0: typed, index } of text.matchAll(TYPED)) {
    found.push({ text: text.slice(end, index), isTyped: false }, { text: typed, isTyped: true });
    end = index + typed.length;
  }
  found.push({ text: text.slice(end), isTyped: false });
  return found.filter(piece => piece.text !== '');
}

/**
 * What can be done here, of what the server would tell anybody.
 *
 * Hints are written for all faces, alternatives after `;` or `, or`. Those that are options of a command are left out,
 * unless nothing else is left: then it is said that they are for a cell.
 */
export function hintHere(hint: string): IHint {
  const ways = hint.split(/; |, or /).filter(way => !OPTION.test(way));
  const text = ways.length ? ways.join('; ') : hint;
  return {
    text,
    isTyped: !ways.length || text.startsWith('%pkg '),
    command: PLANNED.exec(text)?.[1] ?? null
  };
}
