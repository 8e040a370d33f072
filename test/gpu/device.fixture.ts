import { ProviderUnavailableError, webgpuProvider, type ExecutionProvider, type Tensor } from '@madakv/onnx';

/** The WebGPU provider of this machine, or why there is none. */
export async function findWebgpu(): Promise<{ provider?: ExecutionProvider; reason: string }> {
  try {
    return { provider: await webgpuProvider(), reason: '' };
  } catch (error) {
    if (!(error instanceof ProviderUnavailableError)) throw error;
    return { reason: error.message };
  }
}

/** Watches the tensors that go into sessions and come out of them. */
export class TensorWatch {
  /** All results that were left in the device's memory. */
  private readonly onDevice: Tensor[] = [];
  /** Names of results that were read back. */
  readonly readBack = new Set<string>();
  /** Names of non-empty feeds that came from the host, and of those that came from the device. */
  readonly fed = { host: new Set<string>(), device: new Set<string>() };
  /** Makes the run fail after so many more. */
  runsUntilFailure = Infinity;

  watch(provider: ExecutionProvider): ExecutionProvider {
    return {
      ...provider,
      createSession: async (source, settings) => {
        const session = await provider.createSession(source, settings);
        return {
          run: async (feeds) => {
            if (this.runsUntilFailure-- <= 0) throw new Error('the device is lost');
            for (const [name, { location, size }] of Object.entries(feeds)) {
              if (location === 'gpu-buffer') this.fed.device.add(stem(name));
              else if (size > 0) this.fed.host.add(stem(name));
            }
            const results = await session.run(feeds);
            for (const [name, tensor] of Object.entries(results)) {
              if (tensor.location === 'gpu-buffer') this.onDevice.push(tensor);
              else this.readBack.add(name);
            }
            return results;
          },
          release: () => session.release(),
        };
      },
    };
  }

  get made(): number {
    return this.onDevice.length;
  }

  /** Tensors in the device's memory that were not freed. */
  get live(): number {
    return this.alive().length;
  }

  get liveBytes(): number {
    return this.alive().reduce((sum, { size }) => sum + size * Float32Array.BYTES_PER_ELEMENT, 0);
  }

  reset(): void {
    this.readBack.clear();
    this.fed.host.clear();
    this.fed.device.clear();
    this.runsUntilFailure = Infinity;
  }

  private alive(): Tensor[] {
    return this.onDevice.filter(({ location }) => location === 'gpu-buffer');
  }
}

/** `keys_3` and `keys_0` are the same input of different sequences. */
function stem(name: string): string {
  return name.replace(/_\d+$/, '');
}
