/** Words of a text for ROUGE: lower case, letters and digits. */
export function rougeWords(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
}

/**
 * ROUGE-L F: harmonic mean of the longest common subsequence's shares of both texts, in words, without stemming.
 * Source: Lin, ROUGE: A Package for Automatic Evaluation of Summaries (2004), equations 2 to 4 with beta 1.
 * @returns 0..1; 0 when either text has no word
 */
export function rougeL(answer: string, expected: string): number {
  const [a, b] = [rougeWords(answer), rougeWords(expected)];
  if (a.length === 0 || b.length === 0) return 0;
  const common = commonSubsequence(a, b);
  if (common === 0) return 0;
  const [precision, recall] = [common / a.length, common / b.length];
  return (2 * precision * recall) / (precision + recall);
}

function commonSubsequence(a: readonly string[], b: readonly string[]): number {
  let before = new Uint32Array(b.length + 1);
  for (const word of a) {
    const row = new Uint32Array(b.length + 1);
    for (let j = 0; j < b.length; j++) row[j + 1] = word === b[j] ? before[j] + 1 : Math.max(before[j + 1], row[j]);
    before = row;
  }
  return before[b.length];
}
