import type { FieldKind, TableColumn } from './extraction.plan.js';

/**
 * What is said to the model once, as its system message: without it general models write sentences about what they did not
 * find. The words are the ones that the bundled reader has learnt.
 */
export const INSTRUCTION = 'If something is not in the documents, answer: not stated';

/** Between the cells of a table's row. */
export const CELL_SEPARATOR = '|';

const VALUE_ONLY = 'Answer with the value only.';

export interface Described {
  readonly title?: string;
  readonly description?: string;
}

/**
 * The question for a field. What a description or an enum adds stands on a line before it: in the question itself it leads small
 * readers astray (docs/extraction.md has the figures). A description, or a title, that is a question is asked as it stands.
 */
export function questionOf(kind: FieldKind, label: string, { title, description }: Described): string {
  const own = [description, title].find((text) => text?.endsWith('?') === true);
  const notes = [
    ...(description === undefined || description === own ? [] : [sentence(description)]),
    ...(kind.kind === 'choice' ? [`One of: ${kind.values.map(String).join(', ')}.`] : []),
    ...(kind.kind === 'boolean' && own === undefined ? ['Yes or no.'] : []),
    ...(kind.kind === 'table' ? kind.columns.flatMap(columnNote) : []),
  ];
  const note = notes.length === 0 ? '' : `${capitalised(label)}: ${notes.join(' ')}\n`;
  return `${note}${asked(kind, label, own)}`;
}

function asked(kind: FieldKind, label: string, own: string | undefined): string {
  switch (kind.kind) {
    case 'boolean':
      return own ?? `${capitalised(label)}?`;
    case 'list':
      return own === undefined ? `List every ${label}, one a line.` : `${own} Answer with one of them a line.`;
    case 'table': {
      const header = kind.columns.map((column) => column.label).join(` ${CELL_SEPARATOR} `);
      const wanted = own ?? `List the rows of the table ${label}.`;
      return `${wanted} One row a line, its cells separated by ${CELL_SEPARATOR}, in this order: ${header}`;
    }
    default:
      return `${own ?? `What is the ${label}?`} ${VALUE_ONLY}`;
  }
}

function columnNote({ label, description, kind }: TableColumn): string[] {
  const choices = kind.kind === 'choice' ? `one of: ${kind.values.map(String).join(', ')}.` : undefined;
  const said = [
    ...(description === undefined ? [] : [sentence(description)]),
    ...(choices === undefined ? [] : [choices]),
  ];
  return said.length === 0 ? [] : [`${capitalised(label)}: ${said.join(' ')}`];
}

function sentence(text: string): string {
  const line = text.replace(/\s+/gu, ' ').trim();
  return /[.!?:;]$/u.test(line) ? line : `${line}.`;
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
