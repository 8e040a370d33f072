import { HubError } from './hub.error.js';

/** A repository of the hub at one of its branches, tags or commits. */
export interface ModelReference {
  /** `org/name` */
  readonly repo: string;
  /** As it was given; `main` where none was. */
  readonly revision: string;
}

export const DEFAULT_REVISION = 'main';
const PART = /^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?$/;
const MAX_REPO = 96;
/** What git admits in the name of a branch or tag, without what a path or an address could mean otherwise. */
const REVISION = /^[A-Za-z0-9][A-Za-z0-9._/+-]{0,254}$/;

/**
 * Reads `org/name` or `org/name@revision`, by the hub's own rules of names.
 * @returns undefined for any other text, such as an absolute path
 */
export function readReference(text: string): ModelReference | undefined {
  const at = text.indexOf('@');
  const repo = at < 0 ? text : text.slice(0, at);
  const revision = at < 0 ? DEFAULT_REVISION : text.slice(at + 1);
  const parts = repo.split('/');
  // `--` stands for the slash in the cache's folder names.
  const named = parts.length === 2 && parts.every((part) => PART.test(part)) && !/--|\.\.|\.git$/.test(repo);
  if (!named || repo.length > MAX_REPO) return undefined;
  const sound = REVISION.test(revision) && !/\.\.|\/\/|\/$|\/\.|\.lock$/.test(revision);
  return sound ? { repo, revision } : undefined;
}

/** @throws HubError `bad_reference` */
export function parseReference(text: string): ModelReference {
  const reference = readReference(text);
  if (reference === undefined) {
    throw new HubError(
      'bad_reference',
      `${JSON.stringify(text)} names no model of the hub: it must be org/name or org/name@revision, such as ` +
        'Qwen/Qwen2.5-VL-3B-Instruct@main',
    );
  }
  return reference;
}

/** As it is written: without the revision where that is `main`. */
export function referenceText({ repo, revision }: ModelReference): string {
  return revision === DEFAULT_REVISION ? repo : `${repo}@${revision}`;
}

/** Whether a revision names one commit for ever. */
export function isCommit(revision: string): boolean {
  return /^[0-9a-f]{40}$/.test(revision);
}
