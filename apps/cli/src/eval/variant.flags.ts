import { InvalidArgumentError } from 'commander';
import type { Variant } from '@madakv/evaluation';
import { keyValue } from '../flag.values.js';

/** Reads `name=policy key=value key=value`; may be repeated. */
export function variantFlag(text: string, before: readonly Variant[] = []): Variant[] {
  const [head, ...pairs] = text.trim().split(/\s+/);
  const match = /^([\w.-]+)=([\w.-]+)$/.exec(head);
  if (match === null) throw new InvalidArgumentError('It must be written "name=policy key=value ...".');
  const options = pairs.reduce<Record<string, unknown>>((all, pair) => keyValue(pair, all), {});
  return [...before, { name: match[1], policy: match[2], options }];
}

/** Reads `a,b,c`. */
export function listFlag(text: string): string[] {
  const names = text.split(',').map((name) => name.trim());
  if (names.includes('')) throw new InvalidArgumentError('It must be a list with commas between.');
  return [...new Set(names)];
}

/** Reads ratios with commas between. @returns ascending, each once */
export function ratioList(text: string): number[] {
  const ratios = listFlag(text).map(Number);
  if (!ratios.every((value) => value > 0 && value <= 1)) {
    throw new InvalidArgumentError('Each must be a number above 0 and at most 1.');
  }
  return [...new Set(ratios)].sort((a, b) => a - b);
}
