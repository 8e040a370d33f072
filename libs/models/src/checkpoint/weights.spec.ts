import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { CheckpointFolder } from './checkpoint.folder.js';
import { sameTensor, Weights } from './weights.js';

const dir = mkdtempSync(join(tmpdir(), 'madakv-weights-'));
afterAll(() => {
  rmSync(dir, { recursive: true });
});

function writeTensors(file: string, tensors: Record<string, { shape: number[]; values: number[] }>): void {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  const data: Buffer[] = [];
  let at = 0;
  for (const [name, { shape, values }] of Object.entries(tensors)) {
    const bytes = Buffer.from(Float32Array.from(values).buffer);
    header[name] = { dtype: 'F32', shape, data_offsets: [at, at + bytes.length] };
    data.push(bytes);
    at += bytes.length;
  }
  const text = Buffer.from(JSON.stringify(header));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(text.length));
  writeFileSync(join(dir, file), Buffer.concat([size, text, ...data]));
}

const normalise = (name: string): string | undefined => (name.startsWith('old.') ? name.slice(4) : undefined);

describe('Weights', () => {
  writeTensors('a.safetensors', {
    'old.x': { shape: [3, 2], values: [1, 2, 3, 4, 5, 6] },
    'old.empty': { shape: [0, 4], values: [] },
    unused: { shape: [1], values: [9] },
  });
  writeTensors('b.safetensors', { 'old.y': { shape: [6], values: [1, 2, 3, 4, 5, 6] }, 'old.z': { shape: [6], values: [1, 2, 3, 4, 5, 7] } });
  const map = { 'old.x': 'a.safetensors', 'old.empty': 'a.safetensors', unused: 'a.safetensors', 'old.y': 'b.safetensors', 'old.z': 'b.safetensors' };
  writeFileSync(join(dir, 'config.json'), '{}');
  writeFileSync(join(dir, 'model.safetensors.index.json'), JSON.stringify({ weight_map: map }));
  const weights = Weights.open(new CheckpointFolder(dir), normalise);

  it('knows tensors of all shards by their normalised names', () => {
    expect(weights.names.sort()).toEqual(['empty', 'x', 'y', 'z']);
    expect(weights.files).toEqual([join(dir, 'a.safetensors'), join(dir, 'b.safetensors')]);
    expect(weights.locate('x')).toMatchObject({ storedName: 'old.x', dtype: 'F32', shape: [3, 2], length: 24 });
  });

  it('reads whole tensors and rows', () => {
    expect(Array.from(weights.read('x'))).toEqual([1, 2, 3, 4, 5, 6]);
    expect(Array.from(weights.read('x', { start: 1, end: 3 }))).toEqual([3, 4, 5, 6]);
    expect(weights.read('x', { start: 2, end: 2 })).toHaveLength(0);
    expect(weights.read('empty')).toHaveLength(0);
    expect(() => weights.read('x', { start: 1, end: 4 })).toThrow('x has 3 rows, asked for 1 to 4');
  });

  it('says what is missing', () => {
    const specs = ['x', 'p', 'q'].map((name) => ({ name, shape: [3, 2] }));
    expect(() => { weights.verify(specs); }).toThrow('no tensor for p and 1 more');
    expect(() => { weights.verify([{ name: 'x', shape: [2, 3] }]); }).toThrow('old.x is [3, 2], config.json asks for [2, 3]');
  });

  it('compares tensors', () => {
    expect(sameTensor(weights, 'x', 'y')).toBe(true);
    expect(sameTensor(weights, 'x', 'z')).toBe(false);
  });
});
