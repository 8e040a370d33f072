/** A Dockerfile as far as this project's uses it: instructions with their flags, stages, variables. Anything else is refused. */

export interface Instruction {
  readonly line: number;
  readonly keyword: string;
  /** `--from=build` as from: build. The last one counts. */
  readonly flags: Readonly<Partial<Record<string, string>>>;
  /** What follows the flags, continued lines joined, variables not filled in. */
  readonly rest: string;
}

export interface Stage {
  readonly name: string;
  /** An earlier stage's name or a base image's, variables not filled in. */
  readonly from: string;
  readonly instructions: readonly Instruction[];
}

export interface Dockerfile {
  /** ARGs before the first FROM. */
  readonly args: readonly Instruction[];
  readonly stages: readonly Stage[];
}

const KNOWN = new Set(
  'FROM ARG ENV LABEL WORKDIR COPY RUN USER VOLUME EXPOSE HEALTHCHECK ENTRYPOINT CMD STOPSIGNAL'.split(' '),
);

export class DockerfileError extends Error {
  constructor(line: number, message: string) {
    super(`Dockerfile, line ${line}: ${message}`);
    this.name = 'DockerfileError';
  }
}

/** @throws DockerfileError naming the line of what is not understood */
export function parseDockerfile(text: string): Dockerfile {
  const args: Instruction[] = [];
  const stages: { name: string; from: string; instructions: Instruction[] }[] = [];
  for (const instruction of instructionsOf(text)) {
    const { keyword, line, rest } = instruction;
    if (keyword === 'FROM') {
      const match = /^(\S+)(?: AS (\S+))?$/i.exec(rest);
      if (match === null) throw new DockerfileError(line, 'expected FROM image [AS name]');
      const [, from, name = ''] = match;
      if (name !== '' && stages.some((stage) => stage.name === name)) {
        throw new DockerfileError(line, `there is a stage ${name} already`);
      }
      stages.push({ name, from, instructions: [] });
    } else if (stages.length > 0) stages[stages.length - 1].instructions.push(instruction);
    else if (keyword === 'ARG') args.push(instruction);
    else throw new DockerfileError(line, `${keyword} before the first FROM`);
  }
  if (stages.length === 0) throw new DockerfileError(1, 'no FROM');
  return { args, stages };
}

/** @param target name of a stage; the last one where none is named */
export function stageOf({ stages }: Dockerfile, target?: string): Stage {
  const stage = target === undefined ? stages.at(-1) : stages.find(({ name }) => name === target);
  if (stage === undefined) throw new Error(`no stage ${target}`);
  return stage;
}

function instructionsOf(text: string): Instruction[] {
  const found: Instruction[] = [];
  let pending = '';
  let begun = 0;
  for (const [index, raw] of text.split('\n').entries()) {
    if (/^\s*(#|$)/.test(raw)) continue;
    if (pending === '') begun = index + 1;
    pending += raw.replace(/\\\s*$/, '');
    if (/\\\s*$/.test(raw)) continue;
    found.push(instructionOf(pending.trim(), begun));
    pending = '';
  }
  if (pending !== '') throw new DockerfileError(begun, 'its last line is to be continued');
  return found;
}

function instructionOf(text: string, line: number): Instruction {
  const [, keyword = '', tail = ''] = /^([A-Z]+)\s+(.+)$/.exec(text) ?? [];
  if (!KNOWN.has(keyword)) throw new DockerfileError(line, `not understood: ${text}`);
  if (/<<-?["']?\w/.test(tail)) throw new DockerfileError(line, 'here-documents are not understood');
  const flags: Record<string, string> = {};
  let rest = tail;
  for (;;) {
    const match = /^--([a-z-]+)=(\S+)\s+/.exec(rest);
    if (match === null) return { line, keyword, flags, rest };
    flags[match[1]] = match[2];
    rest = rest.slice(match[0].length);
  }
}

/** Fills in `$NAME`, `${NAME}` and `${NAME:-default}`; what is not set is empty. */
export function expand(text: string, variables: Readonly<Partial<Record<string, string>>>): string {
  const filled = (name: string, fallback: string): string => variables[name]?.replace(/^$/, fallback) ?? fallback;
  return text.replace(/\$\{(\w+)(?::-([^}]*))?\}|\$(\w+)/g, (_, braced = '', fallback = '', bare = '') =>
    filled(String(braced) || String(bare), String(fallback)),
  );
}

/** Words of a line: separated by spaces, quotes taken off. */
export function wordsOf(text: string): string[] {
  const words = text.match(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g) ?? [];
  return words.map((word) => word.replace(/"([^"]*)"|'([^']*)'/g, '$1$2'));
}

/** `A=1 B="2 3"` as pairs. */
export function pairsOf(text: string): [string, string][] {
  return wordsOf(text).map((word) => {
    const at = word.indexOf('=');
    return at < 0 ? [word, ''] : [word.slice(0, at), word.slice(at + 1)];
  });
}

/** A command in its list form, or in its text form as a shell's. */
export function commandOf(text: string): string[] {
  return text.startsWith('[') ? (JSON.parse(text) as string[]) : ['/bin/sh', '-c', text];
}
