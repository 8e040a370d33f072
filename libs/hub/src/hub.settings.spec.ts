import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { hubSettings } from './hub.settings.js';
import { parseReference, readReference, referenceText } from './model.reference.js';
import { modelName, modelSource } from './model.source.js';

describe('hubSettings', () => {
  it('has the defaults of the Python tools', () => {
    expect(hubSettings({ HF_TOKEN_PATH: '/nonexistent' })).toEqual({
      endpoint: 'https://huggingface.co',
      cacheDir: join(homedir(), '.cache', 'huggingface', 'hub'),
      offline: false,
    });
  });

  it.each([
    [{ HF_HUB_CACHE: '/a', HUGGINGFACE_HUB_CACHE: '/b', HF_HOME: '/c' }, '/a'],
    [{ HUGGINGFACE_HUB_CACHE: '/b', HF_HOME: '/c' }, '/b'],
    [{ HF_HUB_CACHE: '', HF_HOME: '/c', XDG_CACHE_HOME: '/d' }, '/c/hub'],
    [{ XDG_CACHE_HOME: '/d' }, '/d/huggingface/hub'],
    [{ HF_HOME: '~/hf' }, join(homedir(), 'hf', 'hub')],
    [{ HF_HUB_CACHE: '$DISK/${NAME}/$UNSET', DISK: '/mnt', NAME: 'x' }, '/mnt/x/$UNSET'],
  ])('finds the cache by %j', (environment, cacheDir) => {
    expect(hubSettings(environment).cacheDir).toBe(cacheDir);
  });

  it('finds the token in the environment, else in the file that a login leaves', () => {
    const home = mkdtempSync(join(tmpdir(), 'madakv-hf-'));
    writeFileSync(join(home, 'token'), 'hf_file\n');
    const token = (environment: Record<string, string>) => hubSettings({ HF_HOME: home, ...environment }).token;
    expect(token({ HF_TOKEN: ' hf_env ' })).toBe('hf_env');
    expect(token({ HUGGING_FACE_HUB_TOKEN: 'hf_old' })).toBe('hf_old');
    expect(token({})).toBe('hf_file');
    expect(token({ HF_HUB_DISABLE_IMPLICIT_TOKEN: '1' })).toBeUndefined();
    expect(token({ HF_TOKEN_PATH: join(home, 'none') })).toBeUndefined();
    rmSync(home, { recursive: true });
  });

  it('reads the other switches', () => {
    expect(hubSettings({ HF_ENDPOINT: 'http://mirror/hf/' }).endpoint).toBe('http://mirror/hf');
    expect(
      ['1', 'true', 'YES', 'on', '0', 'no', ''].map((HF_HUB_OFFLINE) => hubSettings({ HF_HUB_OFFLINE }).offline),
    ).toEqual([true, true, true, true, false, false, false]);
    expect(hubSettings({ TRANSFORMERS_OFFLINE: '1' }).offline).toBe(true);
  });
});

describe('a reference', () => {
  it.each([
    ['Qwen/Qwen2.5-VL-3B-Instruct', 'Qwen/Qwen2.5-VL-3B-Instruct', 'main'],
    ['org/name@main', 'org/name', 'main'],
    ['org/name@v1.0+b2', 'org/name', 'v1.0+b2'],
    ['org/name@refs/pr/1', 'org/name', 'refs/pr/1'],
  ])('%s is %s at %s', (text, repo, revision) => {
    expect(parseReference(text)).toEqual({ repo, revision });
  });

  it('is written without main', () => {
    expect(['a/b@main', 'a/b@v1'].map((text) => referenceText(parseReference(text)))).toEqual(['a/b', 'a/b@v1']);
  });

  it.each([
    'qwen',
    '/models/qwen',
    './org/name',
    '../org/name',
    'a/b/c',
    'org/',
    '/name',
    'org/na me',
    'org/a--b',
    'org/..',
    'org/x.git',
    'org/name@',
    'org/name@../x',
    'org/name@a..b',
    'org/name@/x',
    'org/name@x/',
    'org/name@a//b',
    'org/name@a b',
    'org/name@.git',
    `o/${'x'.repeat(96)}`,
  ])('%s is none', (text) => {
    expect(readReference(text)).toBeUndefined();
    expect(() => parseReference(text)).toThrow('it must be org/name or org/name@revision');
  });

  it('gives way to a folder that is there', () => {
    const dir = mkdtempSync(join(tmpdir(), 'madakv-source-'));
    const [parent, name] = [join(dir, '..'), basename(dir)];
    expect(modelSource(dir, '/')).toEqual({ kind: 'folder', dir });
    const source = modelSource(`${parent.slice(1)}/${name}`, '/');
    expect(source).toEqual({ kind: 'folder', dir });
    expect(modelName(source)).toBe(name);
    rmSync(dir, { recursive: true });
    expect(modelSource(`${parent.slice(1)}/${name}`, '/').kind).toBe('hub');
    expect(modelName(modelSource('org/name@v1', '/'))).toBe('name');
  });
});
