import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What the loader needs of a Redis connection. */
export interface ScriptRunner {
  evalsha(sha: string, keyCount: number, ...keysAndArguments: string[]): Promise<unknown>;
  eval(source: string, keyCount: number, ...keysAndArguments: string[]): Promise<unknown>;
}

/** The .lua files lie in src only; the path holds for src and dist alike. */
const LUA_FOLDER = fileURLToPath(new URL('../src/lua/', import.meta.url));
const INCLUDE = /^--@include (\S+)$/gm;

interface Script {
  readonly source: string;
  readonly sha: string;
}

/**
 * The Lua files of src/lua by name. A line `--@include name.lua` stands for that file of src/lua/includes. Runs a script
 * by its digest and sends the text only where Redis does not know it yet (the first time, or after a restart).
 */
export class LuaScripts {
  private readonly scripts: ReadonlyMap<string, Script>;

  /** @param replaced include name -> its text instead of the file's; how tests bring their own clock */
  constructor(
    private readonly redis: ScriptRunner,
    replaced: Readonly<Record<string, string>> = {},
  ) {
    const include = (_line: string, name: string): string =>
      replaced[name] ?? readFileSync(join(LUA_FOLDER, 'includes', name), 'utf8');
    const files = readdirSync(LUA_FOLDER).filter((file) => file.endsWith('.lua'));
    this.scripts = new Map(
      files.map((file) => {
        const source = readFileSync(join(LUA_FOLDER, file), 'utf8').replace(INCLUDE, include);
        return [file.slice(0, -'.lua'.length), { source, sha: createHash('sha1').update(source).digest('hex') }];
      }),
    );
  }

  async run(name: string, keys: readonly string[], args: readonly (string | number)[] = []): Promise<unknown> {
    const script = this.scripts.get(name);
    if (script === undefined) throw new Error(`no file src/lua/${name}.lua`);
    const keysAndArguments = [...keys, ...args.map(String)];
    try {
      return await this.redis.evalsha(script.sha, keys.length, ...keysAndArguments);
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error;
      return await this.redis.eval(script.source, keys.length, ...keysAndArguments);
    }
  }
}
