import type { Schema } from '@madakv/grammar';

/** What a schema may ask for. */
export const EXTRACTION_LIMITS = {
  /** Questions about one document: a field each, a list and a table count as one. */
  fields: 64,
  /** Columns of one table. */
  columns: 16,
  /** Objects within objects. */
  depth: 8,
  /** Characters of one question; a title and a description have no limit of their own. */
  questionCharacters: 2_000,
  /** Values that one field may choose from. */
  choices: 64,
} as const;

/** Most tokens of an answer. Small tokenizers write a token for each byte. */
export const ANSWER_TOKENS = { value: 64, text: 256, list: 512, table: 2_048 } as const;

export const TEXT_FORMATS = ['date', 'time', 'date-time', 'email', 'ipv4', 'uuid'] as const;
export type TextFormat = (typeof TEXT_FORMATS)[number];

export interface TextKind {
  readonly kind: 'text';
  readonly format?: TextFormat;
  readonly pattern?: string;
  /** Characters. */
  readonly minLength?: number;
  readonly maxLength?: number;
}

export interface NumberKind {
  readonly kind: 'number' | 'integer';
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
}

/** One of the values of an `enum`; null is not among them. */
export interface ChoiceKind {
  readonly kind: 'choice';
  readonly values: readonly unknown[];
}

/** What one answer, one entry of a list or one cell of a table is. */
export type ScalarKind = TextKind | NumberKind | ChoiceKind | { readonly kind: 'boolean' };

interface Entries {
  readonly minItems: number;
  /** Infinity where there is no limit. */
  readonly maxItems: number;
}

export interface ListKind extends Entries {
  readonly kind: 'list';
  readonly item: ScalarKind;
}

export interface TableColumn {
  readonly name: string;
  readonly label: string;
  readonly description?: string;
  readonly kind: ScalarKind;
  readonly required: boolean;
  readonly nullable: boolean;
}

export interface TableKind extends Entries {
  readonly kind: 'table';
  readonly columns: readonly TableColumn[];
}

export type FieldKind = ScalarKind | ListKind | TableKind;

/** One question about the document. */
export interface ExtractionField {
  /** Keys that lead to its value in the object. */
  readonly path: readonly string[];
  /** The same with dots, as tables and messages call it. */
  readonly name: string;
  readonly kind: FieldKind;
  readonly question: string;
  /** Most tokens of its answer. */
  readonly maxTokens: number;
}

/** A part of the object: what stands there, and how it is found. */
export type PlanNode =
  | { readonly node: 'field'; readonly field: ExtractionField; readonly nullable: boolean }
  | { readonly node: 'constant'; readonly value: unknown }
  | { readonly node: 'object'; readonly members: readonly PlanMember[]; readonly nullable: boolean };

export interface PlanMember {
  readonly name: string;
  readonly required: boolean;
  readonly value: PlanNode;
}

/** How the object of a schema is found in a document: a question a field, in the order of the schema. */
export interface ExtractionPlan {
  readonly schema: Schema;
  readonly fields: readonly ExtractionField[];
  readonly root: PlanNode & { readonly node: 'object' };
}
