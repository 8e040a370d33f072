import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

/** File ids by the SHA-256 of their content, by server. */
const KeptSchema = z.record(z.string(), z.record(z.string(), z.string()));
type Kept = z.infer<typeof KeptSchema>;

/** Documents that runs with `--keep-files` have left at servers, so that the next run need not send them again. */
export class KeptUploads {
  private readonly path: string;

  /** @param folder of this machine's data; made when something is kept */
  constructor(
    private readonly folder: string,
    private readonly server: string,
  ) {
    this.path = join(folder, 'kept-uploads.json');
  }

  find(sha256: string): string | undefined {
    return this.read()[this.server]?.[sha256];
  }

  add(fileIds: ReadonlyMap<string, string>): void {
    const kept = this.read();
    this.write({ ...kept, [this.server]: { ...kept[this.server], ...Object.fromEntries(fileIds) } });
  }

  forget(sha256: string): void {
    const kept = this.read();
    const own = Object.entries(kept[this.server] ?? {}).filter(([hash]) => hash !== sha256);
    this.write({ ...kept, [this.server]: Object.fromEntries(own) });
  }

  /** A record that cannot be read costs an upload, no more. */
  private read(): Partial<Kept> {
    try {
      return KeptSchema.parse(JSON.parse(readFileSync(this.path, 'utf8')));
    } catch {
      return {};
    }
  }

  private write(kept: Partial<Kept>): void {
    mkdirSync(this.folder, { recursive: true, mode: 0o700 });
    const draft = `${this.path}.${process.pid}.tmp`;
    writeFileSync(draft, `${JSON.stringify(kept)}\n`, { mode: 0o600 });
    renameSync(draft, this.path);
  }
}
