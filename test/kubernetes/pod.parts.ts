import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ApiClient } from './api.client.js';
import type { PodContainer, PodObject, PodVolume } from './pod.objects.js';

/** What a pod names and a node fills in: variables, volumes, from the objects of its namespace. */
export class PodParts {
  constructor(
    private readonly pod: PodObject,
    private readonly api: ApiClient,
    /** For the folders of pods. */
    private readonly root: string,
    private readonly address: string,
  ) {}

  async environment(container: PodContainer): Promise<Record<string, string>> {
    const found: Record<string, string> = {};
    for (const { name, value = '', valueFrom } of container.env ?? []) {
      if (valueFrom?.secretKeyRef !== undefined) {
        found[name] = await this.secret(valueFrom.secretKeyRef.name, valueFrom.secretKeyRef.key);
      } else if (valueFrom?.fieldRef !== undefined) {
        found[name] = this.field(valueFrom.fieldRef.fieldPath);
      } else if (valueFrom?.resourceFieldRef !== undefined) {
        const [, resource = ''] = valueFrom.resourceFieldRef.resource.split('.');
        found[name] = String(Math.ceil(cores(container.resources?.requests?.[resource] ?? '0')));
      } else {
        found[name] = value.replace(/\$\((\w+)\)/g, (whole, earlier: string) => found[earlier] ?? whole);
      }
    }
    return found;
  }

  /** Folders of this machine by the names of volumes. */
  async volumes(): Promise<Map<string, string>> {
    const found = new Map<string, string>();
    for (const volume of this.pod.spec.volumes ?? []) found.set(volume.name, await this.volume(volume));
    return found;
  }

  /** An empty folder of the pod's. */
  folder(name: string): string {
    const path = join(this.root, this.pod.metadata.uid, name);
    mkdirSync(path, { recursive: true });
    return path;
  }

  private field(path: string): string {
    const { metadata, spec } = this.pod;
    const fields = new Map([
      ['metadata.name', metadata.name],
      ['metadata.namespace', metadata.namespace],
      ['metadata.uid', metadata.uid],
      ['spec.nodeName', spec.nodeName],
      ['status.podIP', this.address],
    ]);
    const value = fields.get(path);
    if (value === undefined) throw new Error(`${metadata.name}: no value for ${path}`);
    return value;
  }

  private async secret(name: string, key: string): Promise<string> {
    const { data = {} } = await this.object<{ data?: Record<string, string> }>('secrets', name);
    if (!(key in data)) throw new Error(`${this.pod.metadata.name}: Secret ${name} has no ${key}`);
    return Buffer.from(data[key], 'base64').toString();
  }

  private object<T>(kind: string, name: string): Promise<T> {
    return this.api.get(`/api/v1/namespaces/${this.pod.metadata.namespace}/${kind}/${name}`);
  }

  private async volume({ name, secret, configMap, persistentVolumeClaim: claim }: PodVolume): Promise<string> {
    if (claim !== undefined) return this.owned(await this.claimed(claim.claimName));
    const folder = this.owned(this.folder(`volume-${name}`));
    if (secret !== undefined) {
      for (const { key, path } of secret.items ?? []) {
        writeFileSync(join(folder, path), await this.secret(secret.secretName, key));
      }
    }
    if (configMap !== undefined) {
      const { data = {} } = await this.object<{ data?: Record<string, string> }>('configmaps', configMap.name);
      for (const [file, text] of Object.entries(data)) writeFileSync(join(folder, file), text);
    }
    return folder;
  }

  /** Path of the volume that a claim is bound to. */
  private async claimed(name: string): Promise<string> {
    const claim = await this.object<{ spec: { volumeName?: string } }>('persistentvolumeclaims', name);
    const path = `/api/v1/persistentvolumes/${claim.spec.volumeName}`;
    return (await this.api.get<{ spec: { hostPath: { path: string } } }>(path)).spec.hostPath.path;
  }

  /** Volumes are given to the pod's group. */
  private owned(path: string): string {
    mkdirSync(path, { recursive: true });
    chownSync(path, 0, this.pod.spec.securityContext?.fsGroup ?? 0);
    chmodSync(path, 0o2775);
    return path;
  }
}

/** @param quantity of processors: `2`, `500m` */
function cores(quantity: string): number {
  return quantity.endsWith('m') ? Number(quantity.slice(0, -1)) / 1_000 : Number(quantity);
}
