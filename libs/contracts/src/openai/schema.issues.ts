import type { z } from 'zod';

type Issue = z.core.$ZodIssue;

/** One complaint and the key that it is about. */
interface Complaint {
  readonly path: readonly PropertyKey[];
  readonly text: string;
}

/** Complaints that a message lists. */
const LISTED = 10;

/** What is wrong with a value, each complaint with the path of the key it is about: `messages.0.role: ...`. */
export function describeIssues(issues: readonly Issue[]): string {
  const listed = issues.slice(0, LISTED).map((issue) => {
    const { path, text } = complaintOf(issue, []);
    return path.length === 0 ? text : `${dotted(path)}: ${text}`;
  });
  const more = issues.length - listed.length;
  return [...listed, ...(more > 0 ? [`and ${more} more`] : [])].join('; ');
}

/** Path of the first key that is wrong: `messages.0.role`; undefined when it is the value as a whole. */
export function firstIssuePath(issues: readonly Issue[]): string | undefined {
  const [issue] = issues;
  const { path } = complaintOf(issue, []);
  const whole = issue.code === 'unrecognized_keys' ? [...path, issue.keys[0]] : path;
  return whole.length === 0 ? undefined : dotted(whole);
}

function complaintOf(issue: Issue, parents: readonly PropertyKey[]): Complaint {
  const path = [...parents, ...issue.path];
  if (issue.code === 'invalid_union') {
    if ('options' in issue && issue.options !== undefined) {
      return { path, text: `expected ${issue.options.map(quoted).join(' or ')}` };
    }
    const joint = jointComplaint(issue.errors);
    if (joint !== undefined) return { path: [...path, ...joint.path], text: joint.text };
    if (issue.errors.length > 0) return complaintOf(closestBranch(issue.errors)[0], path);
  }
  return { path, text: issue.message.replace(/^Invalid (input|option|key): /, '') };
}

function dotted(path: readonly PropertyKey[]): string {
  return path.map(String).join('.');
}

function quoted(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}

/** The one complaint that all alternatives have in common: a tag with another value, or another type altogether. */
function jointComplaint(branches: readonly (readonly Issue[])[]): Complaint | undefined {
  const values: string[] = [];
  const firsts = branches.map((issues) => issues[0]);
  if (firsts.length === 0) return undefined;
  const path = firsts[0].path;
  const samePath = firsts.every((issue) => issue.path.join('.') === path.join('.'));
  if (!samePath) return undefined;
  for (const issue of firsts) {
    if (issue.code === 'invalid_value') values.push(...issue.values.map(quoted));
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
