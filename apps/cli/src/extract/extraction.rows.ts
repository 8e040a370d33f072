import { ChatCompletionSchema, type ExtractedFieldObject } from '@madakv/contracts';
import type { ExtractionPlan, PlanNode } from '@madakv/extraction';
import { problemRow, type AnswerRow } from '../batch/batch.results.js';
import type { ResultLine } from '../batch/results.file.js';

/** One document of the table. */
export interface ExtractionRow {
  readonly file: string;
  /** Null where the document failed. */
  readonly object: Readonly<Record<string, unknown>> | null;
  readonly fields: readonly ExtractedFieldObject[];
  /** What is known of its request besides. */
  readonly answer: AnswerRow;
}

/** A column of the table: where its cells stand in the object. */
export interface TableColumn {
  readonly name: string;
  readonly path: readonly string[];
}

export function extractionRow({ item, result, row }: ResultLine): ExtractionRow {
  const file = item.columns.get('file') ?? '';
  const failed = (answer: AnswerRow): ExtractionRow => ({ file, object: null, fields: [], answer });
  if (row.error !== '') return failed(row);
  const completion = ChatCompletionSchema.safeParse(result?.response?.body);
  const fields = completion.data?.madakv.fields;
  const object = objectOf(row.answer);
  if (fields === undefined || object === undefined) {
    return failed(problemRow('no_object: the answer has no fields; the server does not know madakv.extract'));
  }
  return { file, object, fields, answer: row };
}

/** The columns that a schema describes, in its order: those of objects within it by their paths. */
export function columnsOf({ root }: ExtractionPlan): TableColumn[] {
  const visit = (node: PlanNode, path: readonly string[]): TableColumn[] =>
    node.node === 'object'
      ? node.members.flatMap(({ name, value }) => visit(value, [...path, name]))
      : [{ name: path.join('.'), path }];
  return visit(root, []);
}

/** What stands at a path; null where nothing does. */
export function valueAt(object: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (at, key) =>
      typeof at === 'object' && at !== null && Object.hasOwn(at, key) ? (at as Record<string, unknown>)[key] : null,
    object,
  );
}

function objectOf(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
