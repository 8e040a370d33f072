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
