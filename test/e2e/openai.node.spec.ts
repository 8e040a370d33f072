import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MODEL, startSystem, type TestSystem } from './system.fixture.js';

let system: TestSystem;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(() => system.stop());

describe('models', () => {
  it('lists what the workers serve', async () => {
    const { data } = await system.client().models.list();
    expect(data).toMatchObject([{ id: MODEL, object: 'model' }]);
  });
});
