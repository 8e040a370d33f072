import type { z } from 'zod';

type Issue = z.core.$ZodIssue;

/** What is wrong with a value, each complaint with the path of the key it is about: `messages.0.role: ...`. */
export function describeIssues(issues: readonly Issue[]): string {
  return issues.map((issue) => describeIssue(issue, [])).join('; ');
}

function describeIssue(issue: Issue, parents: readonly PropertyKey[]): string {
  const path = [...parents, ...issue.path];
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const joint = jointComplaint(issue.errors);
    if (joint !== undefined) return located([...path, ...joint.path], joint.text);
    return describeIssue(closestBranch(issue.errors)[0], path);
  }
  return located(path, issue.message.replace(/^Invalid (input|option|key): /, ''));
}

function located(path: readonly PropertyKey[], text: string): string {
  return path.length === 0 ? text : `${path.map(String).join('.')}: ${text}`;
}

/** The one complaint that all alternatives have in common: a tag with another value, or another type altogether. */
function jointComplaint(
  branches: readonly (readonly Issue[])[],
): { readonly path: readonly PropertyKey[]; readonly text: string } | undefined {
  const values: string[] = [];
  const firsts = branches.map((issues) => issues[0]);
  const path = firsts[0].path;
  const samePath = firsts.every((issue) => issue.path.join('.') === path.join('.'));
  if (!samePath) return undefined;
  for (const issue of firsts) {
    if (issue.code === 'invalid_value') values.push(...issue.values.map((value) => JSON.stringify(value)));
    else if (issue.code === 'invalid_type') values.push(issue.expected);
    else return undefined;
  }
  return { path, text: `expected ${values.join(' or ')}` };
}

/** The alternative that was probably meant: the one that went wrong deepest inside, then the one with least to say. */
function closestBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] {
  const depth = (issues: readonly Issue[]): number =>
    Math.max(...issues.map((issue) => issue.path.length + (issue.code === 'invalid_union' ? 1 : 0)));
  return [...branches].sort((a, b) => depth(b) - depth(a) || a.length - b.length)[0];
}
