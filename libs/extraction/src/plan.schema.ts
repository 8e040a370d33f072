import { answerGrammar, isSchema, SchemaError, type Schema, type SchemaPath } from '@madakv/grammar';
import {
  ANSWER_TOKENS,
  EXTRACTION_LIMITS,
  type ExtractionField,
  type ExtractionPlan,
  type FieldKind,
  type PlanMember,
  type PlanNode,
  type TableColumn,
} from './extraction.plan.js';
import { scalarKind, typeOf } from './field.kind.js';
import { spoken, within, wordsOf } from './field.label.js';
import { questionOf } from './field.question.js';
import { partOf, type SchemaPart } from './schema.part.js';

const NO_REFERENCES: ReadonlySet<string> = new Set();

/**
 * The questions that find the object of a schema in a document: one a property, those of objects within it too.
 * @param isChecked `answerGrammar` has taken the schema, which is not for nothing
 * @throws SchemaError for a keyword that is not supported, and for what no question is asked for: no property at all, values
 *   of several kinds, lists of lists, more than the limits
 */
export function extractionPlan(schema: Schema, { isChecked = false } = {}): ExtractionPlan {
  if (!isChecked) answerGrammar({ kind: 'json_schema', schema, strict: false });
  return new Planner(schema).plan();
}

class Planner {
  private readonly fields: ExtractionField[] = [];
  private readonly names = new Set<string>();

  constructor(private readonly schema: Schema) {}

  plan(): ExtractionPlan {
    const part = partOf(this.schema, this.schema, [], NO_REFERENCES);
    if (typeOf(part) !== 'object')
      throw new SchemaError([...part.path, 'type'], 'expected object: a document becomes one');
    const root = this.object(part, [], '');
    if (this.fields.length === 0) throw new SchemaError([...part.path, 'properties'], 'leaves nothing to ask for');
    return { schema: this.schema, fields: this.fields, root };
  }

  private object(part: SchemaPart, path: readonly string[], label: string): PlanNode & { node: 'object' } {
    const { keys } = part;
    const entries = Object.entries((keys['properties'] ?? {}) as Record<string, Schema>);
    if (entries.length === 0) {
      throw new SchemaError(
        [...part.path, 'properties'],
        'expected at least one: an object is asked for by its properties',
      );
    }
    if (path.length > EXTRACTION_LIMITS.depth) {
      throw new SchemaError(part.path, `lies deeper than ${EXTRACTION_LIMITS.depth} objects`);
    }
    const required = new Set((keys['required'] ?? []) as string[]);
    const members = entries.map(([name, value]): PlanMember => {
      const inner = partOf(this.schema, value, [...part.path, 'properties', name], part.open);
      return { name, required: required.has(name), value: this.node(inner, [...path, name], label) };
    });
    return { node: 'object', members, nullable: part.nullable };
  }

  private node(part: SchemaPart, path: readonly string[], around: string): PlanNode {
    const { keys, nullable } = part;
    const label = labelOf(part, path, around);
    switch (typeOf(part)) {
      case 'constant':
        return { node: 'constant', value: keys['const'] ?? null };
      case 'object':
        return this.object(part, path, label);
      case 'array':
        return { node: 'field', nullable, field: this.add(this.entries(part), part, path, label) };
      case 'scalar':
        return { node: 'field', nullable, field: this.add(scalarKind(part, 'a field'), part, path, label) };
    }
  }

  private add(kind: FieldKind, part: SchemaPart, path: readonly string[], label: string): ExtractionField {
    const { fields, questionCharacters } = EXTRACTION_LIMITS;
    if (this.fields.length === fields) {
      throw new SchemaError(part.path, `is field ${fields + 1}; at most ${fields} are asked for in one document`);
    }
    const name = path.join('.');
    if (this.names.has(name)) throw new SchemaError(part.path, 'has the same name as a field before it, with its dots');
    this.names.add(name);
    const question = questionOf(kind, label, part);
    if (question.length > questionCharacters) {
      throw new SchemaError(
        part.path,
        `makes a question of ${question.length} characters; at most ${questionCharacters} are asked`,
      );
    }
    const field = { path, name, kind, question, maxTokens: tokensOf(kind) };
    this.fields.push(field);
    return field;
  }

  private entries(part: SchemaPart): FieldKind {
    const { keys, path } = part;
    if ('prefixItems' in keys) {
      throw new SchemaError(
        [...path, 'prefixItems'],
        'is not asked for: a list has entries of one kind, as items says',
      );
    }
    const { items = true, minItems = 0, maxItems = Infinity } = keys as Record<string, unknown>;
    const limits = { minItems: Number(minItems), maxItems: Number(maxItems) };
    const item = partOf(this.schema, isSchema(items) ? items : true, [...path, 'items'], part.open);
    return typeOf(item) === 'object'
      ? { kind: 'table', columns: this.columns(item), ...limits }
      : { kind: 'list', item: scalarKind(item, 'an entry of a list'), ...limits };
  }

  private columns(item: SchemaPart): TableColumn[] {
    const entries = Object.entries((item.keys['properties'] ?? {}) as Record<string, Schema>);
    const { columns: most } = EXTRACTION_LIMITS;
    const path: SchemaPath = [...item.path, 'properties'];
    if (entries.length === 0) throw new SchemaError(path, 'expected at least one: a table is asked for by its columns');
    if (entries.length > most) {
      throw new SchemaError(path, `has ${entries.length} columns; a table has at most ${most}`);
    }
    const required = new Set((item.keys['required'] ?? []) as string[]);
    return entries.map(([name, value]) => {
      const part = partOf(this.schema, value, [...path, name], item.open);
      const kind = scalarKind(part, 'a column of a table');
      const { nullable, description } = part;
      return {
        name,
        label: labelOf(part, [name], ''),
        ...(description === undefined ? {} : { description }),
        kind,
        required: required.has(name),
        nullable,
      };
    });
  }
}

function labelOf({ title }: SchemaPart, path: readonly string[], around: string): string {
  return within(around, title === undefined ? wordsOf(path.at(-1) ?? '') : spoken(title));
}

function tokensOf(kind: FieldKind): number {
  if (kind.kind === 'list' || kind.kind === 'table') return ANSWER_TOKENS[kind.kind];
  return kind.kind === 'text' && kind.format === undefined ? ANSWER_TOKENS.text : ANSWER_TOKENS.value;
}
