import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createGzip } from 'node:zlib';
import { layersOf, type Image } from './image.builder.js';

export interface LayerWeight {
  readonly instruction: string;
  readonly files: number;
  /** Of its files. */
  readonly bytes: number;
  /** As a registry holds it: a tar file, packed by gzip. */
  readonly packedBytes: number;
}

/** What each layer of an image weighs, its base's first. */
export async function weigh(image: Image): Promise<LayerWeight[]> {
  const names = [
    ...image.baseLayers.map(() => `FROM ${image.config.base}`),
    ...image.layers.map(({ instruction }) => instruction),
  ];
  const weights: LayerWeight[] = [];
  for (const [i, folder] of layersOf(image).entries()) {
    const sizes = sizesOf(folder);
    const bytes = sizes.reduce((sum, size) => sum + size, 0);
    weights.push({ instruction: names[i], files: sizes.length, bytes, packedBytes: await packed(folder) });
  }
  return weights;
}

/** A row for each layer that weighs anything to speak of; what a command does is cut short. */
export function weightsTable(weights: readonly LayerWeight[]): string {
  const mb = (bytes: number): string => (bytes / 1e6).toFixed(1);
  const sum = (of: (weight: LayerWeight) => number): number => weights.reduce((total, weight) => total + of(weight), 0);
  const rows = weights
    .filter(({ bytes }) => bytes >= 50_000)
    .map(({ instruction, files, bytes, packedBytes }) => [
      `\`${brief(instruction)}\``,
      files,
      mb(bytes),
      mb(packedBytes),
    ]);
  rows.push([
    'together',
    sum(({ files }) => files),
    mb(sum(({ bytes }) => bytes)),
    mb(sum(({ packedBytes }) => packedBytes)),
  ]);
  return [
    '| layer | files | MB | packed MB |',
    '| --- | ---: | ---: | ---: |',
    ...rows.map((row) => `| ${row.join(' | ')} |`),
  ].join('\n');
}

function brief(instruction: string): string {
  const line = instruction.replaceAll(/\s+/g, ' ');
  return line.length <= 60 ? line : `${line.slice(0, 57)}...`;
}

function sizesOf(folder: string): number[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return sizesOf(path);
    return entry.isFile() ? [lstatSync(path).size] : [];
  });
}

async function packed(folder: string): Promise<number> {
  const tar = spawn('tar', ['-C', folder, '-c', '.'], { stdio: ['ignore', 'pipe', 'ignore'] });
  let bytes = 0;
  const gzip = tar.stdout.pipe(createGzip()).on('data', (piece: Buffer) => (bytes += piece.length));
  await once(gzip, 'end');
  return bytes;
}
