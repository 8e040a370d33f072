import { isIPv4 } from 'node:net';
import { patternMatcher } from '@madakv/grammar';
import type { TextKind } from '../extraction.plan.js';
import { readDate } from './date.value.js';
import { bare, isProblem, type Reading } from './reading.js';

const LOCAL_PART = /^[a-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/i;
const LABEL = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/;

/** Reads a text as it stands, or in the form that the schema wants. */
export function readText(answer: string, kind: TextKind): Reading {
  const { format, pattern, minLength, maxLength } = kind;
  if (format !== undefined) {
    const reading = readFormat(answer, format);
    return isProblem(reading) ? reading : matching(String(reading.value), pattern);
  }
  const value = bare(answer);
  const { length } = Array.from(value);
  if (minLength !== undefined && length < minLength) {
    return { problem: `has ${length} characters; at least ${minLength} are wanted` };
  }
  if (maxLength !== undefined && length > maxLength) {
    return { problem: `has ${length} characters; at most ${maxLength} are wanted` };
  }
  return matching(value, pattern);
}

function matching(value: string, pattern: string | undefined): Reading {
  if (pattern !== undefined && !patternMatcher(pattern)(value)) return { problem: 'does not match the pattern' };
  return { value };
}

function readFormat(answer: string, format: NonNullable<TextKind['format']>): Reading {
  const text = bare(answer);
  switch (format) {
    case 'date':
    case 'time':
    case 'date-time':
      return readDate(answer, format);
    case 'email':
      return readEmail(text.replace(/^mailto:/i, '').replace(/\s*\.$/, ''));
    case 'ipv4':
      return isIPv4(text) ? { value: text } : { problem: 'is not an IPv4 address' };
    case 'uuid':
      return /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)
        ? { value: text.toLowerCase() }
        : { problem: 'is not a UUID' };
  }
}

/** The domain is written small: it is the same one. */
function readEmail(text: string): Reading {
  const at = text.lastIndexOf('@');
  const domain = text.slice(at + 1).toLowerCase();
  const labels = domain.split('.');
  const isAddress =
    at > 0 && LOCAL_PART.test(text.slice(0, at)) && labels.length > 1 && labels.every((label) => LABEL.test(label));
  return isAddress ? { value: `${text.slice(0, at)}@${domain}` } : { problem: 'is not an e-mail address' };
}
