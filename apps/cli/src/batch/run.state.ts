import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { z } from 'zod';

/** How far a run has come: enough to go on with the same batch. It lies beside the results until they are there. */
const RunStateSchema = z.object({
  version: z.literal(1),
  server: z.string(),
  /** SHA-256 of everything that is asked. */
  input: z.string(),
  /** Uploaded documents: file id by SHA-256. */
  documents: z.record(z.string(), z.string()),
  /** Documents that the server does not take: why, by SHA-256. */
  refused: z.record(z.string(), z.string()).default({}),
  /** What has arrived of files that come in parts, by their SHA-256. */
  parts: z
    .partialRecord(
      z.string(),
      z.object({ uploadId: z.string(), partBytes: z.int().min(1), partIds: z.array(z.string()).readonly() }),
    )
    .default({}),
  inputFileId: z.string().optional(),
  batchId: z.string().optional(),
});
export type RunState = z.infer<typeof RunStateSchema>;

export class RunStateFile {
  readonly path: string;

  /** @param out where the results will be */
  constructor(out: string) {
    this.path = `${out}.run.json`;
  }

  /** Undefined when there is no unfinished run, or none that can be read. */
  read(): RunState | undefined {
    try {
      return RunStateSchema.parse(JSON.parse(readFileSync(this.path, 'utf8')));
    } catch {
      return undefined;
    }
  }

  write(state: RunState): void {
    writeFileSync(`${this.path}.tmp`, `${JSON.stringify(state)}\n`);
    renameSync(`${this.path}.tmp`, this.path);
  }

  remove(): void {
    rmSync(this.path, { force: true });
  }
}
