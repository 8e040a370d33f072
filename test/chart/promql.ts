import type { SyntaxNode } from '@lezer/common';
import { parser } from '@prometheus-io/lezer-promql';

export interface Used {
  /** What names of series it takes: a name, or a pattern as of `__name__=~`. */
  readonly metric: RegExp;
  /** Labels that are matched on it, and those that results of the whole query are grouped by. */
  readonly labels: ReadonlySet<string>;
}

/** The series that a PromQL query reads. @throws Error where it is none */
export function seriesOf(query: string): Used[] {
  const used: { metric: RegExp; labels: Set<string> }[] = [];
  const grouped: string[] = [];
  parser.parse(query).iterate({
    enter: ({ type, from, to, node }) => {
      if (type.isError) throw new Error(`not PromQL at ${from}: ${query}`);
      const text = query.slice(from, to);
      if (type.name === 'VectorSelector') {
        const name = node.getChild('Identifier');
        const pattern = name === null ? /__name__=~"([^"]+)"/.exec(text)?.[1] : query.slice(name.from, name.to);
        if (pattern === undefined) throw new Error(`a selector without name: ${text}`);
        used.push({ metric: new RegExp(`^(?:${pattern})$`), labels: new Set() });
      } else if (type.name === 'LabelName' && text !== '__name__') {
        if (node.parent?.type.name === 'GroupingLabels') grouped.push(text);
        else used.at(-1)?.labels.add(text);
      }
    },
  });
  return used.map(({ metric, labels }) => ({ metric, labels: new Set([...labels, ...grouped]) }));
}

const COMPARISONS: ReadonlySet<string> = new Set(['Eqlc', 'Neq', 'Gtr', 'Gte', 'Lss', 'Lte']);
const SET_OPERATORS: ReadonlySet<string> = new Set(['And', 'Or', 'Unless']);

/**
 * The readings that an alert's query judges: what stands left of its comparisons, on either side of its set operators, and in `absent`. The
 * query itself has no data where all is well; these have.
 */
export function readingsOf(query: string): string[] {
  const text = ({ from, to }: SyntaxNode): string => query.slice(from, to);
  const readings = (node: SyntaxNode): string[] => {
    if (node.name === 'FunctionCall' && text(node).startsWith('absent(')) {
      const argument = node.getChild('FunctionCallBody')?.firstChild;
      if (argument) return [text(argument)];
    }
    const { firstChild: left, lastChild: right } = node;
    const operator = left?.nextSibling?.name ?? '';
    if (node.name !== 'BinaryExpr' || left === null || right === null) return [text(node)];
    if (SET_OPERATORS.has(operator)) return [...readings(left), ...readings(right)];
    return COMPARISONS.has(operator) ? readings(left) : [text(node)];
  };
  const top = parser.parse(query).topNode.firstChild;
  return top === null ? [] : readings(top);
}
