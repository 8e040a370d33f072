import { describe, expect, it } from 'vitest';
import { entriesIn } from './entries.value.js';

describe('entriesIn', () => {
  it.each([
    ['- a\n* b\n\u2022 c', ['a', 'b', 'c']],
    ['1. a\n2. b', ['a', 'b']],
    ['1) a\n2) b', ['a', 'b']],
    ['1. 2023\n2. 2024', ['2023', '2024']],
    ['1. Widget', ['Widget']],
    ['a; b', ['a', 'b']],
    ['1. Mai 2025\n15. Juni 2025', ['1. Mai 2025', '15. Juni 2025']],
    ['1. Mai 2025\n2. Juni 2025', ['1. Mai 2025', '2. Juni 2025']],
    ['14. März 2025', ['14. März 2025']],
    ['1. a\nb', ['1. a', 'b']],
  ])('of %j are %j', (answer, entries) => {
    expect(entriesIn(answer)).toEqual(entries);
  });
});
