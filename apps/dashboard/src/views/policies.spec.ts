import { expect, it } from 'vitest';
import { policies } from '@madakv/madakv';
import { POLICIES } from './policies.js';

it('the page offers every policy but the ablations', () => {
  const known = Object.keys(policies).filter((name) => !name.startsWith('madakv-n'));
  expect([...POLICIES].sort()).toEqual(known.sort());
});
