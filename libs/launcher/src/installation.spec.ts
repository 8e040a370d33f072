import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { DEMO_FOLDER, ORPHAN_GUARD_PATH, servicePath, SERVICES } from './installation.js';

it.each([...SERVICES.map(servicePath), ORPHAN_GUARD_PATH])('%s is what a source is compiled to', (path) => {
  const source = path.replace(/([\\/])dist([\\/])(?!.*[\\/]dist[\\/])/, '$1src$2').replace(/\.js$/, '.ts');
  expect({ source, there: existsSync(source) }).toEqual({ source, there: true });
});

it('finds the sample documents', () => {
  expect(existsSync(join(DEMO_FOLDER, 'questions.csv'))).toBe(true);
});
