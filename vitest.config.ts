import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { defineConfig } from 'vitest/config';

/** Tests run the TypeScript sources of every workspace package, never a stale build. */
const source = {
  resolve: { conditions: ['madakv-source'] },
  ssr: { resolve: { conditions: ['madakv-source'] } },
};

/** Chromium's software device; VK_ICD_FILENAMES names another driver to test on. */
const swiftShader = '/usr/lib/chromium/vk_swiftshader_icd.json';
const vulkanDriver = process.env['VK_ICD_FILENAMES'] ?? (existsSync(swiftShader) ? swiftShader : undefined);

/** Environment of a GPU test's process. The Vulkan loader reads it when the native library is loaded, and complains without the second. */
const vulkan = (driver: string | undefined): Record<string, string> => ({
  ...(driver === undefined ? {} : { VK_ICD_FILENAMES: driver }),
  XDG_RUNTIME_DIR: process.env['XDG_RUNTIME_DIR'] ?? tmpdir(),
});

export default defineConfig({
  test: {
    projects: [
      {
        ...source,
        test: {
          name: 'unit',
          include: ['libs/*/src/**/*.spec.ts', 'apps/*/src/**/*.spec.ts'],
          // A property of many runs takes its time on a slow or busy machine.
          testTimeout: 60_000,
        },
      },
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
        test: {
          name: 'integration',
          include: ['test/integration/**/*.spec.ts'],
          expect: { poll: { timeout: 15_000 } },
          testTimeout: 60_000,
          hookTimeout: 120_000,
        },
      },
      {
        ...source,
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.spec.ts'],
          globalSetup: ['test/e2e/build.setup.ts'],
          // Each file starts a system of several processes.
          fileParallelism: false,
          expect: { poll: { timeout: 60_000, interval: 100 } },
          testTimeout: 120_000,
          hookTimeout: 300_000,
        },
      },
      {
        ...source,
        test: {
          name: 'gpu',
          include: ['test/gpu/webgpu.spec.ts'],
          pool: 'forks',
          fileParallelism: false,
          env: vulkan(vulkanDriver),
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
      {
        ...source,
        test: {
          name: 'gpu-none',
          include: ['test/gpu/no.device.spec.ts'],
          pool: 'forks',
          env: vulkan('/nonexistent/icd.json'),
          testTimeout: 60_000,
        },
      },
    ],
  },
});
