import { RegExpParser, type AST } from '@eslint-community/regexpp';
import { characterSet, complement, union, type CharacterSet } from './character.set.js';
import { all, any, ofSet, repeat, type Regular } from './regular.js';

/** Characters that a pattern spells out when its repetitions are written one after the other. */
export const MAX_PATTERN_SIZE = 2_000;

const ANYTHING = repeat(ofSet(complement(union([]))), 0, Infinity);

/** A pattern that cannot be honoured; the message says what of it. */
export class PatternError extends Error {
  override readonly name = 'PatternError';
}

/**
 * The tree of a regular expression (ECMA-262, flag `u`) that matches a string from its first character to its last.
 * A schema's pattern may match anywhere in a string: these are some of the strings that it allows.
 * @throws PatternError for what is no regular expression, or has what no grammar can say
 */
export function parsePattern(pattern: string): Regular {
  return any(...alternativesOf(pattern).map((elements) => sequenced(withoutEdges(elements))));
}

/**
 * The tree of every string in which the pattern is found, as JSON Schema means it.
 * @throws PatternError as {@link parsePattern}
 */
export function parseSearch(pattern: string): Regular {
  return any(
    ...alternativesOf(pattern).map((elements) => {
      const before = isEdge(elements[0], 'start') ? [] : [ANYTHING];
      const after = isEdge(elements.at(-1), 'end') ? [] : [ANYTHING];
      return all(...before, sequenced(withoutEdges(elements)), ...after);
    }),
  );
}

function alternativesOf(pattern: string): (readonly AST.Element[])[] {
  const { alternatives } = parse(pattern);
  const size = alternatives.reduce((sum, { elements }) => sum + sizeOf(elements), 0);
  if (size > MAX_PATTERN_SIZE) {
    throw new PatternError(`is too large: it spells out more than ${MAX_PATTERN_SIZE} characters`);
  }
  return alternatives.map(({ elements }) => elements);
}

function parse(pattern: string): AST.Pattern {
  try {
    return new RegExpParser().parsePattern(pattern, 0, pattern.length, { unicode: true });
  } catch (cause) {
    throw new PatternError('is no regular expression', { cause });
  }
}

/** Anchors at both ends ask for what is done anyway. */
function withoutEdges(elements: readonly AST.Element[]): readonly AST.Element[] {
  const from = isEdge(elements[0], 'start') ? 1 : 0;
  const rest = elements.slice(from);
  return isEdge(rest.at(-1), 'end') ? rest.slice(0, -1) : rest;
}

function isEdge(element: AST.Element | undefined, kind: 'start' | 'end'): boolean {
  return element?.type === 'Assertion' && element.kind === kind;
}

function sequenced(elements: readonly AST.Element[]): Regular {
  return all(...elements.map(treeOf));
}

function treeOf(element: AST.Element): Regular {
  switch (element.type) {
    case 'Assertion':
      throw new PatternError(
        `has an assertion (${kindOf(element)}) where none is supported: only ^ at its start and $ at its end are`,
      );
    case 'Quantifier':
      return repeat(treeOf(element.element), element.min, element.max);
    case 'Group':
      if (element.modifiers !== null) throw new PatternError('has modifiers, which are not supported');
      return any(...element.alternatives.map(({ elements }) => sequenced(elements)));
    case 'CapturingGroup':
      return any(...element.alternatives.map(({ elements }) => sequenced(elements)));
    case 'Backreference':
      throw new PatternError('has a reference to a group, which is not supported');
    case 'Character':
    case 'CharacterSet':
    case 'CharacterClass':
    case 'ExpressionCharacterClass':
      return ofSet(setOf(element));
  }
}

function kindOf({ kind }: AST.Assertion): string {
  return kind === 'start' ? '^' : kind === 'end' ? '$' : kind;
}

type SetElement =
  | AST.Character
  | AST.CharacterSet
  | AST.CharacterClass
  | AST.ExpressionCharacterClass
  | AST.ClassRangesCharacterClassElement;

function setOf(element: SetElement): CharacterSet {
  switch (element.type) {
    case 'Character':
      return span(element.value, element.value);
    case 'CharacterClassRange':
      return span(element.min.value, element.max.value);
    case 'CharacterSet':
      if (element.kind === 'property') throw new PatternError('has \\p{...}, which is not supported');
      return characterSet[element.kind](element.kind !== 'any' && element.negate);
    case 'CharacterClass': {
      if (element.unicodeSets) break;
      const joint = union(element.elements.map(setOf));
      return element.negate ? complement(joint) : joint;
    }
  }
  throw new PatternError('has a class of the flag v, which is not supported');
}

function span(from: number, to: number): CharacterSet {
  try {
    return characterSet.span(from, to);
  } catch (cause) {
    throw new PatternError((cause as Error).message, { cause });
  }
}

function sizeOf(elements: readonly AST.Element[]): number {
  return elements.reduce((sum, element) => {
    switch (element.type) {
      case 'Quantifier': {
        const times = element.max === Infinity ? element.min + 1 : element.max;
        return sum + times * sizeOf([element.element]);
      }
      case 'Group':
      case 'CapturingGroup':
        return sum + element.alternatives.reduce((inner, alternative) => inner + sizeOf(alternative.elements), 0);
      default:
        return sum + 1;
    }
  }, 0);
}
