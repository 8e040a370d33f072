import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { buildModel, builtEntries, checkpointInput, type BuiltModel } from '@madakv/engine';
import { openModel, type Precision } from '@madakv/models';
import { cpuProvider, type CodeType, type ExecutionProvider } from '@madakv/onnx';
import { beforeEach, describe, expect, it } from 'vitest';
import { fixture, temporaryCache } from './engine.fixture.js';

const root = temporaryCache();
const provider = cpuProvider(1);
let run = 0;
let cacheDir: string;
let checkpoint: string;
beforeEach(() => {
  const dir = join(root, String(run++));
  cacheDir = join(dir, 'cache');
  checkpoint = join(dir, 'checkpoint');
  mkdirSync(dir, { recursive: true });
  cpSync(fixture('qwen-plain text').checkpoint, checkpoint, { recursive: true });
});

const build = (precision: Precision = { kind: 'fp32' }, on: ExecutionProvider = provider): Promise<BuiltModel> =>
  buildModel(checkpointInput(openModel(checkpoint)), on, { precision, cacheDir });
const weights = (): string => join(checkpoint, 'model.safetensors');
const builtFolders = (): string[] =>
  readdirSync(join(cacheDir, 'models')).filter((name) => statSync(join(cacheDir, 'models', name)).isDirectory());

describe('a built model', () => {
  it('is found again, and leaves no temporary folder behind', async () => {
    const first = await build();
    const second = await build();
    expect(first.fresh).toBe(true);
    expect(second).toEqual({ ...first, fresh: false });
    expect(builtFolders()).toEqual([first.key]);
  });

  it('is another one with another vision tower, and says so; a model of text alone has none', async () => {
    const of = (folder: string, visionPrecision: 'fp16' | 'fp32'): Promise<BuiltModel> =>
      buildModel(checkpointInput(openModel(folder)), provider, {
        ...{ precision: { kind: 'int', bits: 8, blockSize: 32 }, visionPrecision, cacheDir },
      });
    expect((await of(checkpoint, 'fp32')).key).not.toBe((await of(checkpoint, 'fp16')).key);
    expect(new Set(builtEntries(join(cacheDir, 'models')).map(({ record }) => record?.precision))).toEqual(
      new Set(['8 bit (blocks of 32)', '8 bit (blocks of 32), vision fp16']),
    );
    const text = fixture('qwen3-plain turns').checkpoint;
    expect((await of(text, 'fp32')).key).toBe((await of(text, 'fp16')).key);
  });

  it('stays where it is when another builder of the same is done later', async () => {
    const builders = [build(), build()];
    const inodes = await Promise.all(builders.map((built) => built.then(({ dir }) => statSync(dir).ino)));
    expect(inodes[1]).toBe(inodes[0]);
    expect(builtFolders()).toHaveLength(1);
  });

  it('holds prepacked matrices for sessions to map, and no copy of the raw ones', async () => {
    const { dir } = await build({ kind: 'int', bits: 4, blockSize: 32 });
    const files = readdirSync(dir);
    expect(files).toContain('stage-001.onnx');
    expect(files).toContain('stage-001.onnx.bin');
    expect(files.filter((name) => name.endsWith('.raw'))).toEqual([]);
  });

  it('is another one for another precision', async () => {
    const full = await build();
    const quantised = await build({ kind: 'int', bits: 8, blockSize: 32 });
    expect(quantised.key).not.toBe(full.key);
    expect(builtFolders()).toHaveLength(2);
  });

  it('is another one on a processor that packs matrices otherwise', async () => {
    const here = await build();
    const there = await build({ kind: 'fp32' }, { ...provider, signature: () => Promise.resolve('another') });
    expect(there.key).not.toBe(here.key);
  });

  it('is another one where integer products are exact with other codes, if it has any', async () => {
    const on = (codes: CodeType): ExecutionProvider => ({ ...provider, integerCodes: () => Promise.resolve(codes) });
    const keys = async (precision: Precision): Promise<number> => {
      const builds = [await build(precision, on('int8')), await build(precision, on('uint8'))];
      return new Set(builds.map(({ key }) => key)).size;
    };
    expect(await keys({ kind: 'w8a8' })).toBe(2);
    expect(await keys({ kind: 'int', bits: 8, blockSize: 32 })).toBe(1);
  });

  it('is built anew when a weight changes, even with the same size and time', async () => {
    const first = await build();
    const { atime, mtime } = statSync(weights());
    const bytes = readFileSync(weights());
    bytes[bytes.length - 1] ^= 1;
    writeFileSync(weights(), bytes);
    utimesSync(weights(), atime, mtime);
    const second = await build();
    expect(second.fresh).toBe(true);
    expect(second.key).not.toBe(first.key);
  });

  it('is built anew when config.json changes', async () => {
    const first = await build();
    appendFileSync(join(checkpoint, 'config.json'), '\n');
    expect((await build()).key).not.toBe(first.key);
  });

  it('is the same for the same content elsewhere', async () => {
    const first = await build();
    const moved = `${checkpoint}-moved`;
    cpSync(checkpoint, moved, { recursive: true });
    checkpoint = moved;
    expect((await build()).key).toBe(first.key);
  });

  it.each([
    [
      'lost a file',
      (dir: string): void => {
        rmSync(join(dir, 'stage-000.onnx'));
      },
    ],
    [
      'was cut short',
      (dir: string): void => {
        truncateSync(join(dir, 'stage-001.onnx.bin'), 100);
      },
    ],
    [
      'lost its manifest',
      (dir: string): void => {
        rmSync(join(dir, 'manifest.json'));
      },
    ],
    [
      'has a broken manifest',
      (dir: string): void => {
        writeFileSync(join(dir, 'manifest.json'), '{');
      },
    ],
  ])('is never used when it %s', async (_, damage) => {
    const first = await build();
    damage(first.dir);
    const second = await build();
    expect(second).toEqual(first);
    expect(existsSync(join(second.dir, 'stage-000.onnx'))).toBe(true);
    expect((await build()).fresh).toBe(false);
  });

  it('is whole when two build it at once', async () => {
    const [a, b] = await Promise.all([build(), build()]);
    expect(a.dir).toBe(b.dir);
    expect((await build()).fresh).toBe(false);
    expect(builtFolders()).toEqual([a.key]);
  });

  it('leaves nothing behind when building fails', async () => {
    const failing = { ...provider, prepare: () => Promise.reject(new Error('disk full')) };
    const input = checkpointInput(openModel(checkpoint));
    await expect(buildModel(input, failing, { precision: { kind: 'fp32' }, cacheDir })).rejects.toThrow('disk full');
    expect(builtFolders()).toEqual([]);
  });
});
