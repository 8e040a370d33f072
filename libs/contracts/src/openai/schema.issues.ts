import type { z } from 'zod';
import { MadakvError } from '../errors.js';

type Issue = z.core.$ZodIssue;

/** One complaint and the key that it is about. */
interface Complaint {
  readonly path: readonly PropertyKey[];
  readonly text: string;
}

/** Complaints that a message lists, and keys of one complaint. */
const LISTED = 10;
/** Characters of a caller's key that a message repeats. */
const LONGEST_KEY = 64;

/**
 * What is wrong with a request: `param` is the first key, the message names all, `reason` is the finer code that the first
 * complaint has, if it has one.
 */
export function requestError(issues: readonly Issue[]): MadakvError {
  const [param, reason] = [firstIssuePath(issues), reasonOf(issues[0])];
  return new MadakvError('invalid_request', describeIssues(issues), {
    ...(param === undefined ? {} : { param }),
    ...(reason === undefined ? {} : { reason }),
  });
}

/** For `error` of a strict object: an unknown key is probably a known one that is spelled otherwise. */
export function namesKnownKeys(known: () => readonly string[]) {
  return (issue: z.core.$ZodRawIssue): string | undefined => {
    if (issue.code !== 'unrecognized_keys') return undefined;
    const { length } = issue.keys;
    const keys = issue.keys.slice(0, LISTED).map((key) => JSON.stringify(short(key)));
    const more = length > LISTED ? ` and ${length - LISTED} more` : '';
    return `Unrecognized ${length === 1 ? 'key' : 'keys'}: ${keys.join(', ')}${more}; known are ${known().join(', ')}`;
  };
}

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
  // The key itself is wrong, not what stands under it.
  if (issue.code === 'invalid_key') return { path, text: `the key: ${complaintOf(issue.issues[0], []).text}` };
  return { path, text: issue.message.replace(/^Invalid (input|option|key): /, '') };
}

function dotted(path: readonly PropertyKey[]): string {
  return path.map((key) => short(String(key))).join('.');
}

function short(key: string): string {
  return key.slice(0, LONGEST_KEY);
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

/**
 * The alternative that was probably meant: the one that went wrong deepest inside, then one whose type the value has, then the
 * one with least to say.
 */
function closestBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] {
  const depth = (issues: readonly Issue[]): number =>
    Math.max(...issues.map((issue) => issue.path.length + (issue.code === 'invalid_union' ? 1 : 0)));
  const ofOtherType = (issues: readonly Issue[]): number =>
    issues.some(({ code, path }) => code === 'invalid_type' && path.length === 0) ? 1 : 0;
  return [...branches].sort((a, b) => depth(b) - depth(a) || ofOtherType(a) - ofOtherType(b) || a.length - b.length)[0];
}

/** The finer code of a complaint: a custom issue's `reason`. */
function reasonOf(issue: Issue): string | undefined {
  const reason: unknown = issue.code === 'custom' ? issue.params?.['reason'] : undefined;
  return typeof reason === 'string' ? reason : undefined;
}
