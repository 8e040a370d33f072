import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { ProviderUnavailableError, webgpuProvider, type ExecutionProvider, type Tensor } from '@madakv/onnx';

/** The Vulkan driver of this process, by its library. */
function driverName(): string {
  const icd = process.env['VK_ICD_FILENAMES'] ?? '';
  try {
    const { ICD } = JSON.parse(readFileSync(icd, 'utf8')) as { ICD: { library_path: string } };
    return basename(ICD.library_path);
  } catch {
    return `the driver of ${icd}`;
  }
}

export interface FoundDevice {
  readonly provider?: ExecutionProvider;
  /** Whether it computes in float16. */
  readonly half: boolean;
}

/** The WebGPU provider of this machine; says what it runs on, or why there is none. */
export async function findWebgpu(): Promise<FoundDevice> {
  try {
    const provider = await webgpuProvider();
    const half = await provider.halfPrecision();
    console.info(`WebGPU on ${driverName()}, ${half ? 'with' : 'without'} float16`);
    return { provider, half };
  } catch (error) {
    if (!(error instanceof ProviderUnavailableError)) throw error;
    console.warn(`WebGPU tests on ${driverName()} are skipped: ${error.message}`);
    return { half: false };
  }
}

/** Room that is written over and over; it is freed with the engine. */
const SCRATCH = 'scratch';

/** Watches the tensors that go into sessions and come out of them. */
export class TensorWatch {
  /** All results that were left in the device's memory. */
  private readonly onDevice: Tensor[] = [];
  /** Results that were read back, one after the other: each waits for the device. */
  readonly readBack: { readonly name: string; readonly bytes: number }[] = [];
  runs = 0;
  /** Bytes that were sent to the device. */
  fedBytes = 0;
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
          run: async (feeds, into) => {
            if (this.runsUntilFailure-- <= 0) throw new Error('the device is lost');
            for (const [name, { location, size }] of Object.entries(feeds)) {
              if (location === 'gpu-buffer') this.fed.device.add(stem(name));
              else if (size > 0) {
                this.fed.host.add(stem(name));
                this.fedBytes += bytesOf(feeds[name]);
              }
            }
            this.runs++;
            const results = await session.run(feeds, into);
            for (const [name, tensor] of Object.entries(results)) {
              if (tensor.location !== 'gpu-buffer') this.readBack.push({ name, bytes: bytesOf(tensor) });
              else if (into === undefined && name !== SCRATCH) this.onDevice.push(tensor);
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
    return this.alive().reduce((sum, tensor) => sum + bytesOf(tensor), 0);
  }

  reset(): void {
    this.readBack.length = 0;
    this.fedBytes = 0;
    this.runs = 0;
    this.fed.host.clear();
    this.fed.device.clear();
    this.runsUntilFailure = Infinity;
  }

  private alive(): Tensor[] {
    return this.onDevice.filter(({ location }) => location === 'gpu-buffer');
  }
}

const ELEMENT_BYTES: Readonly<Partial<Record<Tensor['type'], number>>> = { float16: 2, int64: 8, uint8: 1 };

function bytesOf({ size, type }: Tensor): number {
  return size * (ELEMENT_BYTES[type] ?? 4);
}

/** `keys_3` and `keys_0` are the same input of different sequences. */
function stem(name: string): string {
  return name.replace(/_\d+$/, '');
}
