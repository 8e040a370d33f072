import type { ExtractionField, ExtractionPlan, NumberKind, PlanNode } from './extraction.plan.js';
import { entriesIn, readList, readTable, rowsIn, type EntryProblem } from './entries.value.js';
import { notationOf, readScalar, type Notation } from './field.value.js';
import { isProblem } from './values/reading.js';

/** What was answered to the question of a field. */
export interface FieldAnswer {
  readonly text: string;
  /** The answer came to an end before its limit of tokens. */
  readonly isWhole: boolean;
}

/** A value that the document states otherwise than the schema wants it, or does not state although it has to. */
export interface ExtractionProblem {
  /** Name of the field, of a list or table with the entry: `items[2].amount`. */
  readonly name: string;
  /** What was answered there. */
  readonly answer: string;
  /** What is wrong with it. Quotes nothing of the document. */
  readonly message: string;
}

/** One field as it was answered and read. */
export interface ExtractedField {
  readonly field: ExtractionField;
  readonly answer: string;
  /** Null where the document does not state it, or states it otherwise than the schema wants it. */
  readonly value: unknown;
  readonly problems: readonly ExtractionProblem[];
}

export interface Extraction {
  readonly object: Readonly<Record<string, unknown>>;
  /** In the order of the plan. */
  readonly fields: readonly ExtractedField[];
  /** Whether the object is valid: false where null stands for what is required. */
  readonly isValid: boolean;
}

/**
 * The object of a schema from the answers to its questions. It is valid unless something that is required and may not be null
 * was not found: null stands there then, and the field has a problem. What is optional and was not found is null where the
 * schema allows it, and left out where not.
 * @param answers one for each field of the plan, in its order
 */
export function assemble(plan: ExtractionPlan, answers: readonly FieldAnswer[]): Extraction {
  if (answers.length !== plan.fields.length) {
    throw new RangeError(`${answers.length} answers for ${plan.fields.length} fields`);
  }
  const notation = notationOf(plan.fields.flatMap((field, i) => numbersIn(field, answers[i].text)));
  const fields = plan.fields.map((field, i) => readField(field, answers[i], notation));
  const read = new Map(fields.map((each) => [each.field, each]));
  const missing = new Set<ExtractionField>();
  const object = objectOf(plan.root, read, (field) => missing.add(field));
  return {
    object,
    isValid: missing.size === 0 && fields.every((each) => !hasGaps(each)),
    fields: fields.map((each) => (missing.has(each.field) ? withMissing(each) : each)),
  };
}

function readField(field: ExtractionField, { text, isWhole }: FieldAnswer, notation: Notation): ExtractedField {
  const problemsOf = (found: readonly EntryProblem[]): ExtractionProblem[] =>
    found.map(({ part, answer, message }) => ({ name: `${field.name}${part}`, answer, message }));
  const failed = (message: string): ExtractedField => ({
    field,
    answer: text,
    value: null,
    problems: [{ name: field.name, answer: text, message }],
  });
  if (!isWhole) return failed('was cut off at its limit of tokens');
  const { kind } = field;
  if (kind.kind === 'list' || kind.kind === 'table') {
    const { value, problems } = kind.kind === 'list' ? readList(text, kind, notation) : readTable(text, kind, notation);
    return { field, answer: text, value, problems: problemsOf(problems) };
  }
  const reading = readScalar(text, kind, notation);
  if (isProblem(reading)) return failed(reading.problem);
  return { field, answer: text, value: reading.value, problems: [] };
}

/** Whether a row of a table has null where it may not be. */
function hasGaps({ field: { kind }, value }: ExtractedField): boolean {
  if (kind.kind !== 'table' || !Array.isArray(value)) return false;
  const needed = kind.columns.filter(({ nullable }) => !nullable).map(({ name }) => name);
  return (value as object[]).some((row) =>
    Object.entries(row).some(([name, cell]) => cell === null && needed.includes(name)),
  );
}

/** Numbers that may show how the document writes them. */
function numbersIn(
  { kind }: ExtractionField,
  answer: string,
): { readonly answer: string; readonly kind: NumberKind }[] {
  const numeric = (each: { readonly kind: string }): each is NumberKind =>
    each.kind === 'number' || each.kind === 'integer';
  if (numeric(kind)) return [{ answer, kind }];
  if (kind.kind === 'list') {
    const { item } = kind;
    return numeric(item) ? entriesIn(answer).map((entry) => ({ answer: entry, kind: item })) : [];
  }
  if (kind.kind !== 'table') return [];
  return rowsIn(answer, kind.columns).flatMap((cells) =>
    kind.columns.flatMap((column, i) => {
      const cell = cells.at(i);
      return cell !== undefined && numeric(column.kind) ? [{ answer: cell, kind: column.kind }] : [];
    }),
  );
}

const LEFT_OUT = Symbol('left out');
type Lacks = (field: ExtractionField) => unknown;

function objectOf(
  { members }: PlanNode & { readonly node: 'object' },
  read: ReadonlyMap<ExtractionField, ExtractedField>,
  lacks: Lacks,
): Record<string, unknown> {
  // Object.fromEntries makes own properties, whatever they are called.
  return Object.fromEntries(
    members.flatMap(({ name, required, value: node }) => {
      const value = memberOf(node, required, read, lacks);
      return value === LEFT_OUT ? [] : [[name, value] as const];
    }),
  );
}

function memberOf(
  node: PlanNode,
  required: boolean,
  read: ReadonlyMap<ExtractionField, ExtractedField>,
  lacks: Lacks,
): unknown {
  switch (node.node) {
    case 'constant':
      return node.value;
    case 'field': {
      const value = read.get(node.field)?.value ?? null;
      if (value !== null || node.nullable) return value;
      if (!required) return LEFT_OUT;
      lacks(node.field);
      return null;
    }
    case 'object': {
      if (hasValue(node, read) || (required && !node.nullable)) return objectOf(node, read, lacks);
      return node.nullable ? null : LEFT_OUT;
    }
  }
}

/** Whether anything of an object was found. */
function hasValue(node: PlanNode, read: ReadonlyMap<ExtractionField, ExtractedField>): boolean {
  if (node.node === 'constant') return false;
  if (node.node === 'object') return node.members.some(({ value }) => hasValue(value, read));
  const value = read.get(node.field)?.value ?? null;
  return value !== null && !(Array.isArray(value) && value.length === 0);
}

/** A field that has to be there and is not; what is wrong with its answer may be said already. */
function withMissing(each: ExtractedField): ExtractedField {
  if (each.problems.length > 0) return each;
  const { field, answer } = each;
  return {
    ...each,
    problems: [{ name: field.name, answer, message: 'is required, and the document does not state it' }],
  };
}
