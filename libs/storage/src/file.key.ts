import { StorageError } from './storage.error.js';

/** Longest key, in characters; S3 allows 1024 with a bucket's prefix. */
const MAX_KEY = 512;
/** A part begins with a letter, digit or underscore: none is `.` or `..`, and names with a dot in front stay free. */
const PART = /^[A-Za-z0-9_][A-Za-z0-9._=-]{0,127}$/;

/**
 * Keys are parts of letters, digits and `._=-`, joined by slashes: `tenant/files/file-1`. They mean the same in a folder
 * and in a bucket, on any file system that knows upper from lower case.
 * @throws StorageError `bad_key`
 */
export function checkKey(key: string): string {
  if (key.length > MAX_KEY) {
    throw new StorageError('bad_key', `the key is ${key.length} characters long; the limit is ${MAX_KEY}`);
  }
  if (!key.split('/').every((part) => PART.test(part))) {
    throw new StorageError(
      'bad_key',
      `${JSON.stringify(key.slice(0, 100))} is not a key: parts of letters, digits and ._=- joined by /`,
    );
  }
  return key;
}

/** A prefix is a key cut off anywhere: the empty text, `tenant/`, `tenant/file-`. */
export function checkPrefix(prefix: string): string {
  if (prefix !== '') checkKey(prefix.endsWith('/') ? `${prefix}x` : prefix);
  return prefix;
}
