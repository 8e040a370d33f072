import { availableParallelism, homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';

/** Tests run the TypeScript sources of every workspace package, never a stale build. */
const source = {
  resolve: { conditions: ['madakv-source'] },
  ssr: { resolve: { conditions: ['madakv-source'] } },
};

/** By default one core would be left idle: on two cores files would run one after the other, and many wait for much of their time. */
const CORES = availableParallelism();

/**
 * What GPU tests run on: the driver that VK_ICD_FILENAMES names, for instance a GPU's; else two in software, of which Mesa's computes in
 * float16 (scripts/software-gpu.sh) and Chromium's does not.
 */
const tools = process.env['MADAKV_TOOLS_CACHE'] ?? join(homedir(), '.cache/madakv/tools');
const chosen = process.env['VK_ICD_FILENAMES'];
const vulkanDrivers: Record<string, string> =
  chosen === undefined
    ? {
        'gpu-lavapipe': join(tools, 'lavapipe/icd.json'),
        'gpu-swiftshader': '/usr/lib/chromium/vk_swiftshader_icd.json',
      }
    : { gpu: chosen };

/** Environment of a GPU test's process. The Vulkan loader reads it when the native library is loaded, and complains without the second. */
const vulkan = (driver: string): Record<string, string> => ({
  VK_ICD_FILENAMES: driver,
  XDG_RUNTIME_DIR: process.env['XDG_RUNTIME_DIR'] ?? tmpdir(),
});

export default defineConfig({
  test: {
    // Projects of one group run side by side and share a number of workers; groups run one after the other.
    projects: [
      {
        ...source,
        test: {
          name: 'unit',
          include: ['libs/*/src/**/*.spec.ts', 'apps/*/src/**/*.spec.ts'],
          maxWorkers: CORES,
          sequence: { groupOrder: 1 },
          expect: { poll: { timeout: 30_000 } },
          // A property of many runs, or a process that is started, takes its time on a slow or busy machine.
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        ...source,
        test: {
          name: 'conformance',
          include: ['test/conformance/**/*.spec.ts'],
          maxWorkers: CORES,
          sequence: { groupOrder: 1 },
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        ...source,
        test: {
          // The Helm chart. What needs Helm is skipped where scripts/chart-tools.sh has not built it.
          name: 'chart',
          include: ['test/chart/**/*.spec.ts'],
          maxWorkers: CORES,
          sequence: { groupOrder: 1 },
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        ...source,
        test: {
          name: 'integration',
          include: ['test/integration/**/*.spec.ts', 'test/image/{dockerfile,prune}.spec.ts'],
          globalSetup: ['test/build.setup.ts'],
          maxWorkers: CORES,
          sequence: { groupOrder: 1 },
          // What is waited for comes in milliseconds, or on a machine that does much else in half a minute.
          expect: { poll: { timeout: 60_000 } },
          testTimeout: 180_000,
          hookTimeout: 180_000,
        },
      },
      {
        ...source,
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.spec.ts'],
          globalSetup: ['test/build.setup.ts'],
          // Each file starts a system of several processes.
          fileParallelism: false,
          sequence: { groupOrder: 2 },
          expect: { poll: { timeout: 60_000, interval: 100 } },
          testTimeout: 120_000,
          hookTimeout: 300_000,
        },
      },
      {
        ...source,
        test: {
          // The page in Chromium. Skipped where there is none, with the reason.
          name: 'browser',
          include: ['test/browser/**/*.spec.ts'],
          globalSetup: ['test/browser/page.build.setup.ts'],
          // Each file starts a system of several processes, and a browser.
          fileParallelism: false,
          sequence: { groupOrder: 6 },
          expect: { poll: { timeout: 90_000, interval: 100 } },
          testTimeout: 240_000,
          hookTimeout: 300_000,
        },
      },
      {
        ...source,
        test: {
          // `make test-image`: builds the container image, which takes minutes. `make test` leaves it out.
          name: 'image',
          include: ['test/image/image.spec.ts'],
          sequence: { groupOrder: 5 },
          testTimeout: 300_000,
          hookTimeout: 3_600_000,
        },
      },
      ...Object.entries(vulkanDrivers).map(([name, driver]) => ({
        ...source,
        test: {
          name,
          include: ['test/gpu/*.gpu.spec.ts'],
          pool: 'forks' as const,
          fileParallelism: false,
          sequence: { groupOrder: 3 },
          env: vulkan(driver),
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      })),
      {
        ...source,
        test: {
          name: 'gpu-none',
          include: ['test/gpu/no.device.spec.ts'],
          pool: 'forks',
          maxWorkers: CORES,
          sequence: { groupOrder: 4 },
          env: vulkan('/nonexistent/icd.json'),
          testTimeout: 60_000,
        },
      },
    ],
  },
});
