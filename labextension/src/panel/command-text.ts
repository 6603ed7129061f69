import type { PlanRequest } from './documents';

/** What a text in the search box is: a name to look for, or something that can be planned as it stands. */
export type Understood =
  | { kind: 'nothing' }
  | { kind: 'query'; query: string }
  | { kind: 'request'; request: PlanRequest; text: string };

const PREFIX = /^(?:[!%$]{1,2}\s*)?(?:sudo\s+)?/;
const TOOL = new RegExp(
  '^(?:\\S*python[\\d.]*(?:\\.exe)?\\s+-m\\s+|\\{sys\\.executable\\}\\s+-m\\s+)?' +
    '(?:uv\\s+pip|uv|pip3?(?:\\.\\d+)?|conda|mamba|micromamba|jupyter[ -]pkg|pkg)\\s+',
  'i'
);
const VERB = /^(install|add|i|remove|uninstall|rm|update|upgrade|up|undo)(?:\s|$)/;
const NAME = '[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?';
const CONSTRAINT = '(?:===?|~=|!=|<=|>=|<|>|=)';
const SPEC = new RegExp(
  `^(?:[\\w./-]+::)?${NAME}(?:\\[[\\w,\\s.-]*\\])?\\s*(?:$|;|@\\s*\\S|\\(?${CONSTRAINT}\\s*[\\w*])`
);
const LOCATION = /^(?:(?:git|hg|svn|bzr)\+)?[a-z][a-z0-9+.-]*:\/\/\S+$/i;

/**
 * Understand what was typed or pasted.
 *
 * A command of pip, conda, mamba, micromamba, uv or `%pkg` goes to the server as a command, which reads it
 * with the grammar of `%pkg`; lines of a requirements file go as specs; anything else is a search.
 */
export function understand(text: string): Understood {
  const lines = logicalLines(text);
  const [first] = lines;
  if (first === undefined) {
    return { kind: 'nothing' };
  }
  const commands = lines.map(asCommand);
  if (commands.every(command => command !== null)) {
    return request(joinCommands(commands), lines);
  }
  if (lines.length > 1) {
    return requirements(lines);
  }
  return looksLikeSpecs(first)
    ? request({ command: `install ${first}` }, lines)
    : { kind: 'query', query: first };
}

/** Lines without comments, with backslash continuations joined. */
function logicalLines(text: string): string[] {
  return text
    .replace(/\\\r?\n/g, ' ')
    .split(/\r?\n/)
    .map(line => line.replace(/(^|\s)#.*$/, '').trim())
    .filter(line => line);
}

/** The command without the tool's name: which tool it was says nothing about where packages come from. */
function asCommand(line: string): string | null {
  const bare = line.replace(PREFIX, '');
  const rest = bare.replace(TOOL, '');
  return rest !== bare && VERB.test(rest) ? rest : null;
}

/** Several lines are one plan; those of one verb are one command, as a requirements file would be. */
function joinCommands(commands: readonly string[]): PlanRequest {
  const joined = new Map<string, string>();
  for (const command of commands) {
    const verb = VERB.exec(command)?.[1] ?? '';
    const before = joined.get(verb);
    joined.set(verb, before ? `${before} ${command.slice(verb.length).trim()}` : command);
  }
  const requests = [...joined.values()].map(command => ({ command }));
  const [first] = requests;
  return first && requests.length === 1 ? first : { requests };
}

function requirements(lines: string[]): Understood {
  if (lines.some(line => line.startsWith('-'))) {
    const words = lines.map(line => (line.startsWith('-') ? line : quote(line)));
    return request({ command: ['install', ...words].join(' ') }, lines);
  }
  return request({ verb: 'install', specs: lines }, lines);
}

function request(planned: PlanRequest, lines: string[]): Understood {
  return { kind: 'request', request: planned, text: lines.join('\n') };
}

/** For the words of a command, which is split as a shell splits words. */
function quote(line: string): string {
  return /[\s'"\\]/.test(line) ? `'${line.replaceAll("'", `'"'"'`)}'` : line;
}

/** Whether one line means packages and no search: a version, a URL, extras or a channel says so. */
function looksLikeSpecs(line: string): boolean {
  if (LOCATION.test(line)) {
    return true;
  }
  return /[=<>~![\]@:]/.test(line) && SPEC.test(line);
}
