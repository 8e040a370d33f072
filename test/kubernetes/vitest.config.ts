import { defineConfig } from 'vitest/config';

/** A control plane of its own takes minutes to build and is no part of `make test`: see `make test-kubernetes`. */
export default defineConfig({
  resolve: { conditions: ['madakv-source'] },
  ssr: { resolve: { conditions: ['madakv-source'] } },
  test: {
    name: 'kubernetes',
    include: ['test/kubernetes/**/*.spec.ts'],
    // Pods run what is built.
    globalSetup: ['test/build.setup.ts'],
    fileParallelism: false,
    expect: { poll: { timeout: 60_000, interval: 250 } },
    testTimeout: 180_000,
    hookTimeout: 180_000,
  },
});
