import { defineConfig } from 'vitest/config';

/** Tests run the TypeScript sources of every workspace package, never a stale build. */
const source = {
  resolve: { conditions: ['madakv-source'] },
  ssr: { resolve: { conditions: ['madakv-source'] } },
};

export default defineConfig({
  test: {
    projects: [
      { ...source, test: { name: 'unit', include: ['libs/*/src/**/*.spec.ts', 'apps/*/src/**/*.spec.ts'] } },
      {
        ...source,
        test: {
          name: 'conformance',
          include: ['test/conformance/**/*.spec.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        ...source,
        test: { name: 'gpu', include: ['test/gpu/**/*.spec.ts'], testTimeout: 300_000, hookTimeout: 300_000 },
      },
    ],
  },
});
