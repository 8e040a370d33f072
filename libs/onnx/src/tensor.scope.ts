import { Tensor } from 'onnxruntime-node';

/** Frees a tensor that lies in a device's memory, which nobody collects. One in JavaScript's memory is left to its collector. */
export function release(tensor: Tensor): void {
  if (tensor.location === 'gpu-buffer') tensor.dispose();
}

/** The same memory under other dimensions. The view is not to be freed, and of no use once the tensor is. */
export function viewOf(tensor: Tensor, dims: readonly number[]): Tensor {
  if (tensor.location !== 'gpu-buffer') return tensor.reshape(dims);
  return Tensor.fromGpuBuffer(tensor.gpuBuffer, { dataType: tensor.type as 'float32' | 'float16', dims });
}

/** The owner of the results of some runs: what it still holds when it closes is freed. Costs nothing for tensors on the CPU. */
export class TensorScope {
  private readonly held = new Set<Tensor>();

  /** Takes a result over. */
  hold(tensor: Tensor): Tensor {
    if (tensor.location === 'gpu-buffer') this.held.add(tensor);
    return tensor;
  }

  /** Takes all results of a run over. */
  holdAll<Results extends Readonly<Record<keyof Results, Tensor>>>(tensors: Results): Results {
    for (const name in tensors) this.hold(tensors[name]);
    return tensors;
  }

  /** Frees everything but these. */
  keepOnly<Results extends Readonly<Record<keyof Results, Tensor>>>(tensors: Results): void {
    if (this.held.size === 0) return;
    const kept = new Set(Object.values<Tensor>(tensors));
    for (const tensor of this.held) if (!kept.has(tensor)) this.free(tensor);
  }

  close(): void {
    for (const tensor of this.held) this.free(tensor);
  }

  private free(tensor: Tensor): void {
    this.held.delete(tensor);
    release(tensor);
  }
}
