import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { expect, it } from 'vitest';
import { madakvProgram } from '../../apps/cli/src/madakv.program.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PLACES = ['README.md', 'docs', 'examples', 'training', 'apps/dashboard/src', 'helm/madakv'];

const sink = { write: () => true };
const program = madakvProgram({
  stdout: sink,
  stderr: sink,
  cwd: ROOT,
  signal: new AbortController().signal,
} as unknown as Parameters<typeof madakvProgram>[0]);

/** What stands behind the name of the program, up to the end of its line or code. */
function* written(): Generator<[place: string, command: string]> {
  for (const place of PLACES) {
    const inside = (): string[] => readdirSync(join(ROOT, place), { recursive: true, encoding: 'utf8' });
    const files = place.endsWith('.md') ? [place] : inside().map((file) => join(place, file));
    for (const file of files.filter((name) => /\.(?:md|tsx)$/.test(name) && !name.includes('node_modules'))) {
      const text = readFileSync(join(ROOT, file), 'utf8').replace(/\\\n\s*/g, ' ');
      for (const [, command] of text.matchAll(/\bmadakv ([a-z][^`<\n]*)/g)) yield [file, command];
    }
  }
}

/** What is wrong with the flags of a command; undefined where it is no command but the name of the project. */
function wrong(text: string): string[] | undefined {
  const [words] = text.split(/ [|>#]| && |; /);
  const parts = words.match(/"[^"]*"|'[^']*'|\S+/g) ?? [];
  let command: Command = program;
  const rest = [...parts];
  for (let next = rest.at(0); next !== undefined; next = rest.at(0)) {
    const found = command.commands.find((each) => each.name() === next || each.aliases().includes(next));
    if (found === undefined) break;
    command = found;
    rest.shift();
  }
  if (command === program) return undefined;
  const defaults = command.commands.filter((each) => Reflect.get(command, '_defaultCommandName') === each.name());
  const known = [command, ...defaults, program].flatMap(({ options }) =>
    options.flatMap(({ short, long }) => [short, long]),
  );
  return rest
    .map((word) => /^\[?(-{1,2}[a-zA-Z][\w-]*)/.exec(word)?.[1])
    .filter((flag) => flag !== undefined && !known.includes(flag) && flag !== '--help' && flag !== '-h')
    .map((flag) => `${command.name()} ${flag}`);
}

it('every command that is written down is there, with its flags', () => {
  const all = [...written()].map(([place, command]) => [place, command, wrong(command)] as const);
  expect(all.filter(([, , problems]) => problems !== undefined).length).toBeGreaterThan(60);
  expect(all.filter(([, , problems]) => (problems?.length ?? 0) > 0)).toEqual([]);
});
