import { cpSync, mkdirSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** A .dockerignore: the last pattern that matches a path, or a folder that it lies in, decides. */
export class IgnoreRules {
  private readonly rules: readonly { readonly pattern: RegExp; readonly taken: boolean }[];
  /** Whether a pattern may take something back that lies in a folder left out. */
  private readonly takesBack: boolean;

  constructor(text: string) {
    const lines = text.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#'));
    this.rules = lines.map((line) => ({
      pattern: patternOf(line.replace(/^!/, '').replace(/^\/|\/$/g, '')),
      taken: line.startsWith('!'),
    }));
    this.takesBack = this.rules.some(({ taken }) => taken);
  }

  ignores(path: string): boolean {
    const parts = path.split('/');
    const lineage = parts.map((_, i) => parts.slice(0, i + 1).join('/'));
    const last = this.rules.findLast(({ pattern }) => lineage.some((each) => pattern.test(each)));
    return last !== undefined && !last.taken;
  }

  /** Files that are left of a folder, by their paths in it. `never` names folders that need not be looked into. */
  filesOf(root: string, never: ReadonlySet<string>, folder = ''): string[] {
    return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      const ignored = this.ignores(path);
      if (!entry.isDirectory()) return ignored ? [] : [path];
      return never.has(entry.name) || (ignored && !this.takesBack) ? [] : this.filesOf(root, never, path);
    });
  }
}

function patternOf(glob: string): RegExp {
  const source = glob
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replace(/\*\*\/|\*\*|\*|\?/g, (wild) =>
      wild === '**/' ? '(?:.*/)?' : wild === '**' ? '.*' : wild === '*' ? '[^/]*' : '[^/]',
    );
  return new RegExp(`^${source}$`);
}

/** Copies what a build may see of a folder, so that a step that goes beyond it fails here as it does elsewhere. */
export function copyContext(root: string, rules: IgnoreRules, to: string): void {
  for (const path of rules.filesOf(root, new Set(['node_modules', '.git', '.venv']))) {
    mkdirSync(dirname(join(to, path)), { recursive: true });
    cpSync(join(root, path), join(to, path), { verbatimSymlinks: true });
  }
}
