import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { IgnoreRules } from './build.context.js';
import { commandOf, DockerfileError, expand, pairsOf, parseDockerfile, stageOf, wordsOf } from './dockerfile.js';
import { configOf } from './image.config.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const DEPLOY = join(ROOT, 'deploy');
const dockerfile = parseDockerfile(readFileSync(join(DEPLOY, 'Dockerfile'), 'utf8'));
const rules = new IgnoreRules(readFileSync(join(DEPLOY, 'Dockerfile.dockerignore'), 'utf8'));
const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  version: string;
  license: string;
  description: string;
};

describe('deploy/Dockerfile', () => {
  const copies = dockerfile.stages.flatMap(({ instructions }) =>
    instructions.filter(({ keyword }) => keyword === 'COPY'),
  );

  it('copies what is there and what a build may see', () => {
    const sources = copies
      .filter(({ flags }) => flags['from'] === undefined)
      .flatMap(({ rest }) => wordsOf(rest).slice(0, -1));
    expect(sources.length).toBeGreaterThan(5);
    for (const path of sources) {
      expect({ path, there: existsSync(join(ROOT, path)), ignored: rules.ignores(path) }).toEqual({
        path,
        there: true,
        ignored: false,
      });
    }
  });

  it('copies from stages that come before', () => {
    for (const [i, { instructions }] of dockerfile.stages.entries()) {
      const earlier = dockerfile.stages.slice(0, i).map(({ name }) => name);
      for (const { flags } of instructions) if (flags['from'] !== undefined) expect(earlier).toContain(flags['from']);
    }
  });

  it('says what package.json says', () => {
    expect(configOf(dockerfile).labels).toMatchObject({
      'org.opencontainers.image.version': manifest.version,
      'org.opencontainers.image.licenses': manifest.license,
      'org.opencontainers.image.description': manifest.description,
    });
    const { labels } = configOf(dockerfile, undefined, { REVISION: 'abc', CREATED: '2026-01-02T03:04:05Z' });
    expect(labels).toMatchObject({
      'org.opencontainers.image.revision': 'abc',
      'org.opencontainers.image.created': '2026-01-02T03:04:05Z',
    });
  });

  it('starts from one series of Debian and a Node that the project supports', () => {
    const bases = dockerfile.stages
      .map(({ from }) => from)
      .filter((from) => !dockerfile.stages.some(({ name }) => name === from));
    expect(bases).toEqual(['node:20-bookworm-slim', 'debian:bookworm-slim']);
    expect(configOf(dockerfile).labels['org.opencontainers.image.base.name']).toBe(`docker.io/library/${bases[1]}`);
  });

  it('runs as a user without rights, given by number', () => {
    expect(configOf(dockerfile).user).toBe('1000:0');
  });

  it('has the model in the target reader only', () => {
    expect(configOf(dockerfile).env['MADAKV_MODEL']).toBeUndefined();
    expect(configOf(dockerfile, 'reader')).toEqual({
      ...configOf(dockerfile),
      env: { ...configOf(dockerfile).env, MADAKV_MODEL: '/app/models/madakv-reader' },
    });
  });

  it('lets the build see sources, and neither tests nor what was built or installed here', () => {
    for (const path of ['libs/engine/src/engine.ts', '.npmrc', 'models/madakv-reader/config.json', 'deploy/prune.js']) {
      expect({ path, ignored: rules.ignores(path) }).toEqual({ path, ignored: false });
    }
    for (const path of [
      'docs/api.md',
      'libs/engine/src/a.spec.ts',
      'apps/cli/dist/a.js',
      'libs/x/node_modules/y',
      '.git',
      'models/other',
    ]) {
      expect({ path, ignored: rules.ignores(path) }).toEqual({ path, ignored: true });
    }
  });
});

describe('parseDockerfile', () => {
  it('joins lines, leaves comments out, and reads flags', () => {
    const [stage] = parseDockerfile(
      '# c\nFROM a AS b\nRUN --mount=type=cache,target=/x one \\\n  # between\n  two\n',
    ).stages;
    expect(stage).toEqual({
      name: 'b',
      from: 'a',
      instructions: [{ line: 3, keyword: 'RUN', flags: { mount: 'type=cache,target=/x' }, rest: 'one   two' }],
    });
  });

  it.each([
    ['FROM a\nADD x y', 'line 2: not understood: ADD x y'],
    ['RUN x', 'line 1: RUN before the first FROM'],
    ['FROM a AS b\nFROM c AS b', 'line 2: there is a stage b already'],
    ['FROM a\nRUN <<EOF\nx\nEOF', 'line 2: here-documents'],
    ['FROM a\nRUN x \\', 'line 2: its last line is to be continued'],
    ['# nothing', 'no FROM'],
  ])('refuses %j', (text, message) => {
    const parse = (): unknown => parseDockerfile(text);
    expect(parse).toThrow(DockerfileError);
    expect(parse).toThrow(message);
  });

  it('takes the last stage unless one is named', () => {
    const parsed = parseDockerfile('FROM a AS b\nFROM b');
    expect([stageOf(parsed).from, stageOf(parsed, 'b').from]).toEqual(['b', 'a']);
    expect(() => stageOf(parsed, 'c')).toThrow('no stage c');
  });
});

describe('words of a line', () => {
  it('fills variables in', () => {
    expect(expand('$A-${B}-${C:-d}-${E}', { A: '1', B: '2', C: '' })).toBe('1-2-d-');
  });

  it('takes quotes off', () => {
    expect(pairsOf(`A=1 B="2 3" C='4'`)).toEqual([
      ['A', '1'],
      ['B', '2 3'],
      ['C', '4'],
    ]);
    expect([commandOf('["a", "b"]'), commandOf('a b')]).toEqual([
      ['a', 'b'],
      ['/bin/sh', '-c', 'a b'],
    ]);
  });
});

describe('IgnoreRules', () => {
  it('lets the last pattern decide, and a folder for what is in it', () => {
    const given = new IgnoreRules('# c\n*\n!a\na/b\n**/*.log\n!a/b/keep\n');
    const ignored = ['x', 'a/y', 'a/b', 'a/b/z', 'a/b/keep', 'a/c/d.log', 'e.log'].filter((path) =>
      given.ignores(path),
    );
    expect(ignored).toEqual(['x', 'a/b', 'a/b/z', 'a/c/d.log', 'e.log']);
  });
});
