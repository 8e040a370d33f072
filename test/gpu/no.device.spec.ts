import { ProviderUnavailableError, webgpuProvider } from '@madakv/onnx';
import { expect, it } from 'vitest';

// This file's project points the Vulkan loader at a driver that does not exist (vitest.config.ts).
it('without a Vulkan driver the error says what to install', async () => {
  const error: unknown = await webgpuProvider().catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(ProviderUnavailableError);
  expect((error as Error).message).toMatch(/webgpu: no WebGPU adapter was found.*Vulkan driver.*mesa-vulkan-drivers/);
  expect((error as Error).message).not.toContain('\n');
});
