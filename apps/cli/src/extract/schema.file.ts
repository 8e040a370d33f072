import { basename, resolve } from 'node:path';
import { ResponseFormatSchema, type ResponseFormat } from '@madakv/contracts';
import { extractionPlan, type ExtractionPlan } from '@madakv/extraction';
import { SchemaError, type Schema } from '@madakv/grammar';
import { parseJsonText, readText } from '@madakv/requests';
import type { CommandIo } from '../command.io.js';
import { UsageError } from '../exit.codes.js';

export interface ExtractionSchema {
  readonly plan: ExtractionPlan;
  readonly format: ResponseFormat;
}

/** What OpenAI's API takes as a name. */
const LONGEST_NAME = 64;

/**
 * Reads a JSON schema, as it is or as OpenAI's `json_schema` holds it.
 * @throws UsageError that names the keyword which cannot be honoured
 */
export async function readSchema(name: string, { cwd }: Pick<CommandIo, 'cwd'>): Promise<ExtractionSchema> {
  const value = parseJsonText(await readText(resolve(cwd, name), name), name);
  if (!isObject(value)) throw new UsageError(`${name}: expected a JSON schema, an object`);
  const { schema: inner } = value;
  const schema = isObject(inner) && !('type' in value) && !('properties' in value) ? inner : value;
  try {
    const plan = extractionPlan(schema);
    const format = ResponseFormatSchema.parse({ type: 'json_schema', json_schema: { name: nameOf(name), schema } });
    return { plan, format };
  } catch (cause) {
    if (!(cause instanceof SchemaError)) throw cause;
    const path = cause.path.length === 0 ? '' : `${cause.path.join('.')}: `;
    throw new UsageError(`${name}: ${path}${cause.message}`, { cause });
  }
}

function nameOf(file: string): string {
  const [stem] = basename(file).split('.');
  const name = stem.replace(/[^\w-]+/g, '_').slice(0, LONGEST_NAME);
  return name === '' ? 'extraction' : name;
}

function isObject(value: unknown): value is Schema & Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
