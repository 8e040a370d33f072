import type { ModelRecord } from '@madakv/contracts';
import { kvGeometry, type KvGeometry } from '@madakv/engine';
import type { DecoderConfig } from '@madakv/models';

/**
 * How the workers that answer keep a model's cache: as one of them last announced it, on a processor in float32 before any has.
 * What prepared requests say that they will ask for is counted by it, so that a cache in half precision brings half the workers.
 */
export class ServedCache {
  constructor(
    private readonly models: { find(id: string): Promise<Pick<ModelRecord, 'kv'> | undefined> },
    private readonly modelId: string,
  ) {}

  async geometry(decoder: DecoderConfig): Promise<KvGeometry> {
    const { precision, onDevice } = (await this.models.find(this.modelId))?.kv ?? {
      precision: 'fp32',
      onDevice: false,
    };
    return kvGeometry(decoder, onDevice ? 'webgpu' : 'cpu', precision);
  }
}
