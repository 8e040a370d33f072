import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { z } from 'zod';
import { CheckpointError } from './checkpoint.error.js';

/** Reads the small files of a Hugging Face checkpoint folder, with errors that name the file and the key. */
export class CheckpointFolder {
  constructor(readonly dir: string) {
    if (!existsSync(dir)) throw new CheckpointError('missing_file', `${dir}: no such folder`);
  }

  path(file: string): string {
    return join(this.dir, file);
  }

  has(file: string): boolean {
    return existsSync(this.path(file));
  }

  /** The first of `files` that exists, if any. */
  firstOf(files: readonly string[]): string | undefined {
    return files.find((file) => this.has(file));
  }

  /** @throws CheckpointError `missing_file` */
  text(file: string): string {
    if (!this.has(file)) throw new CheckpointError('missing_file', `${this.path(file)}: no such file`);
    return readFileSync(this.path(file), 'utf8');
  }

  /** @throws CheckpointError `missing_file`, `bad_json` */
  json(file: string): unknown {
    const text = this.text(file);
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw new CheckpointError('bad_json', `${this.path(file)}: not JSON: ${(cause as Error).message}`, { cause });
    }
  }

  /**
   * Validates a value read from `file`; `at` names the part of the file the value came from.
   * @throws CheckpointError `bad_value` that names every offending key
   */
  parse<T>(schema: z.ZodType<T>, value: unknown, file: string, at: string[] = []): T {
    const result = schema.safeParse(value);
    if (result.success) return result.data;
    const issues = result.error.issues.map((issue) => {
      const path = [...at, ...issue.path].join('.');
      return path === '' ? issue.message : `${path}: ${issue.message}`;
    });
    throw new CheckpointError('bad_value', `${this.path(file)}: ${issues.join('; ')}`);
  }
}
