import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { CheckpointFolder } from '../checkpoint/checkpoint.folder.js';
import { ropeConfig } from './rope.settings.js';
import { tokenIds, tokenKeys } from './token.ids.js';

const dir = mkdtempSync(join(tmpdir(), 'madakv-config-'));
const folder = new CheckpointFolder(dir);
afterAll(() => {
  rmSync(dir, { recursive: true });
});

describe('tokenIds', () => {
  it('takes the first config that names a token', () => {
    const ids = tokenIds(folder, 5, [{ eos_token_id: null, pad_token_id: 3 }, { eos_token_id: 2, bos_token_id: 1 }]);
    expect(ids).toEqual({ image: 5, eos: [2], bos: 1, pad: 3 });
    expect(() => tokenIds(folder, 5, [{}])).toThrow('neither generation_config.json nor config.json has eos_token_id');
  });

  it('takes -1 for no token to pad with', () => {
    expect(z.object(tokenKeys).parse({ pad_token_id: -1 }).pad_token_id).toBeNull();
    expect(z.object(tokenKeys).parse({ pad_token_id: 7 }).pad_token_id).toBe(7);
    expect(() => z.object(tokenKeys).parse({ eos_token_id: -1 })).toThrow();
  });

  it('prefers generation_config.json, with one end token or several', () => {
    writeFileSync(join(dir, 'generation_config.json'), JSON.stringify({ eos_token_id: [7, 8] }));
    expect(tokenIds(folder, 5, [{ eos_token_id: 2 }]).eos).toEqual([7, 8]);
  });
});

describe('ropeConfig', () => {
  const keys = { max_position_embeddings: 2048 };

  it('reads nested and flat settings', () => {
    const defaults = { theta: 10_000 };
    const nested = { ...keys, rope_parameters: { rope_type: 'linear', factor: 2, rope_theta: 500 } };
    const flat = { ...keys, rope_theta: 500, rope_scaling: { type: 'linear', factor: 2 } };
    expect(ropeConfig(nested, defaults, folder)).toEqual({ theta: 500, scaling: { kind: 'linear', factor: 2 } });
    expect(ropeConfig(flat, defaults, folder)).toEqual(ropeConfig(nested, defaults, folder));
    expect(ropeConfig(keys, defaults, folder)).toEqual({ theta: 10_000, scaling: { kind: 'none' } });
  });

  it('reads sections of M-RoPE, else the usual ones', () => {
    const defaults = { theta: 1, sections: [16, 24, 24] };
    const mrope = { ...keys, rope_scaling: { type: 'mrope', mrope_section: [2, 3, 3] } };
    expect(ropeConfig(mrope, defaults, folder).sections).toEqual([2, 3, 3]);
    expect(ropeConfig(keys, defaults, folder).sections).toEqual([16, 24, 24]);
  });

  it('takes the trained length from the config when the rope settings leave it out', () => {
    const llama3 = { rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4 };
    const { scaling } = ropeConfig({ ...keys, rope_parameters: llama3 }, { theta: 1 }, folder);
    expect(scaling).toMatchObject({ kind: 'llama3', originalPositions: 2048 });
  });
});
