import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { LuaScripts, type ScriptRunner } from './lua.scripts.js';

/** Knows no script until it was sent as text. */
class Forgetful implements ScriptRunner {
  readonly calls: string[] = [];
  readonly known = new Set<string>();
  text = '';

  evalsha(sha: string, keyCount: number, ...rest: string[]): Promise<unknown> {
    this.calls.push('evalsha');
    if (!this.known.has(sha)) return Promise.reject(new Error('NOSCRIPT No matching script. Please use EVAL.'));
    return Promise.resolve([keyCount, ...rest]);
  }

  eval(source: string, keyCount: number, ...rest: string[]): Promise<unknown> {
    this.calls.push('eval');
    this.text = source;
    return Promise.resolve([keyCount, ...rest]);
  }
}

describe('LuaScripts', () => {
  it('sends the text only when the digest is not known', async () => {
    const redis = new Forgetful();
    expect(await new LuaScripts(redis).run('renew', ['k'], ['a', 1])).toEqual([1, 'k', 'a', '1']);
    expect(redis.calls).toEqual(['evalsha', 'eval']);
  });

  it('passes on any other failure', async () => {
    const redis: ScriptRunner = {
      evalsha: () => Promise.reject(new Error('ERR wrong')),
      eval: () => Promise.resolve('not reached'),
    };
    await expect(new LuaScripts(redis).run('renew', [])).rejects.toThrow('ERR wrong');
  });

  it('puts includes in place, and what replaces them', async () => {
    const redis = new Forgetful();
    await new LuaScripts(redis).run('sweep', []);
    expect(redis.text).toContain("redis.call('TIME')");
    expect(redis.text).not.toContain('--@include');
    await new LuaScripts(redis, { 'clock.lua': '-- another clock' }).run('sweep', []);
    expect(redis.text).toContain('-- another clock');
    expect(redis.text).not.toContain("redis.call('TIME')");
  });

  it('refuses a name without a file', async () => {
    await expect(new LuaScripts(new Forgetful()).run('nothing', [])).rejects.toThrow('no file src/lua/nothing.lua');
  });

  it.each(readdirSync(new URL('lua/', import.meta.url)).filter((name) => name.endsWith('.lua')))(
    '%s says what it does, its keys, arguments and output',
    (name) => {
      const source = readFileSync(new URL(`lua/${name}`, import.meta.url), 'utf8');
      expect(source).toMatch(/^-- [A-Z][^]*\n-- KEYS {4}[^]*\n-- ARGV {4}[^]*\n-- Output {2}/);
    },
  );
});
