/** What an answer was read as, or why it does not fit. The reason quotes nothing of the document. */
export type Reading = { readonly value: unknown } | { readonly problem: string };

export function isProblem(reading: Reading): reading is { readonly problem: string } {
  return 'problem' in reading;
}

/** An answer without the marks that models put around values: space, quotes, stars and backticks of Markdown. */
export function bare(answer: string): string {
  const text = answer.trim();
  const inner = /^(?:"([^"]+)"|“([^”]+)”|„([^“”]+)[“”]|«([^»]+)»|`([^`]+)`|\*\*([^*]+)\*\*|'([^']+)')$/su.exec(text);
  return inner === null ? text : (inner.slice(1).find(Boolean) ?? text).trim();
}

/** Letters without case and accents, and one space where there was anything else. */
export function plain(text: string): string {
  return text
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();
}
