import { createHash } from 'node:crypto';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { describeIssues } from '@madakv/contracts';
import { fileRequestSchema, InputFileError, parseJsonText, readText, type RequestSource } from '@madakv/requests';

/** A line: an OpenAI body and, where it is known, the right answer. */
const lineSchema = fileRequestSchema.extend({ expected: z.string().min(1).nullish() });

export type CalibrationLine = z.infer<typeof lineSchema>;

export interface CalibrationData {
  /** As the caller gave it. */
  readonly file: string;
  readonly lines: readonly { readonly body: CalibrationLine; readonly source: RequestSource }[];
  readonly sha256: string;
}

/**
 * Reads and checks a JSONL file of requests; empty lines count for nothing.
 * @param limit most requests to take, from the start
 * @throws InputFileError naming file, line and key
 */
export async function readCalibrationData(path: string, cwd: string, limit = Infinity): Promise<CalibrationData> {
  const file = resolve(cwd, path);
  const text = await readText(file, path);
  const lines: { body: CalibrationLine; source: RequestSource }[] = [];
  text.split('\n').forEach((line, index) => {
    if (line.trim() === '' || lines.length >= limit) return;
    const name = `${path}:${index + 1}`;
    const result = lineSchema.safeParse(parseJsonText(line, path, index + 1));
    if (!result.success) throw new InputFileError(`${name}: ${describeIssues(result.error.issues)}`);
    lines.push({ body: result.data, source: { name, folder: dirname(file) } });
  });
  if (lines.length === 0) throw new InputFileError(`${path}: has no requests`);
  return { file: path, lines, sha256: createHash('sha256').update(text).digest('hex') };
}
