import { freemem, totalmem } from 'node:os';
import { expect, it } from 'vitest';
import { proposedCapacity } from './device.capacity.js';

it('proposes a share of what is free on the CPU, and nothing for a GPU', () => {
  expect(proposedCapacity('cpu', 1_001)).toBe(500);
  expect(proposedCapacity('webgpu', 1_000)).toBeUndefined();
  expect(proposedCapacity('cuda')).toBeUndefined();
});

it('asks the system what is free', () => {
  const proposed = proposedCapacity('cpu') ?? 0;
  expect(proposed).toBeGreaterThan(0);
  expect(proposed).toBeLessThan(Math.max(totalmem(), freemem()));
});
