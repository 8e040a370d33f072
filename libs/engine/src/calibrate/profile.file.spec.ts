import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newProfile, PROFILE_FILE, readProfile, writeProfile } from './profile.file.js';

const profile = newProfile([0.5, 1.5], {
  data: { file: 'data.jsonl', sha256: '00' },
  requests: 1,
  promptTokens: 10,
  ratio: 0.1,
  ranking: 'madakv',
  formula: 'w',
  createdAt: '2026-01-01T00:00:00.000Z',
  figures: { layers: [] },
});

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'madakv-profile-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});

describe('profile file', () => {
  it('comes back as it was written, and leaves nothing else behind', () => {
    expect(writeProfile(dir, profile)).toBe(join(dir, PROFILE_FILE));
    writeProfile(dir, profile);
    expect(readProfile(dir, { layers: 2 })).toEqual(profile);
    expect(readdirSync(dir)).toEqual([PROFILE_FILE]);
  });

  it('may be missing', () => {
    expect(readProfile(dir, { layers: 2 })).toBeUndefined();
  });

  it.each([
    ['{', /not a layer profile: /],
    ['null', /format 1 with 2 weights above 0; calibrate again/],
    [JSON.stringify({ ...profile, format: 2 }), /calibrate again/],
    [JSON.stringify({ ...profile, layers: [1] }), /calibrate again/],
    [JSON.stringify({ ...profile, layers: [0, 2] }), /calibrate again/],
    [JSON.stringify({ ...profile, provenance: undefined }), /calibrate again/],
  ])('is refused as %s', (text, message) => {
    writeFileSync(join(dir, PROFILE_FILE), text);
    expect(() => readProfile(dir, { layers: 2 })).toThrow(message);
  });
});
