/**
 * A property's key as words: `invoice_number`, `invoiceNumber` and `invoice-number` are `invoice number`. Words in capitals
 * keep them (`IBAN`, `VAT rate`), unless all of the key is so (`INVOICE_NUMBER`).
 */
export function wordsOf(key: string): string {
  const spaced = key
    .replace(/[_\-.\s]+/gu, ' ')
    .replace(/(\p{Ll}|\d)(\p{Lu})/gu, '$1 $2')
    .replace(/(\p{Lu})(\p{Lu}\p{Ll})/gu, '$1 $2')
    .trim();
  if (spaced === '') return key;
  const shouted = spaced.includes(' ') && spaced === spaced.toUpperCase();
  return spaced
    .split(' ')
    .map((word) => (!shouted && isAbbreviation(word) ? word : word.toLowerCase()))
    .join(' ');
}

/** A title as it stands in a sentence: `Due Date` is `due date`, `VAT Rate` is `VAT rate`. */
export function spoken(title: string): string {
  return title
    .trim()
    .split(/\s+/u)
    .map((word) => (isCapitalised(word) ? word.toLowerCase() : word))
    .join(' ');
}

/** The label of a field within an object: `seller name`; `seller` alone where the label has all its words already. */
export function within(parent: string, label: string): string {
  const own = new Set(label.toLowerCase().split(/\s+/u));
  const missing = parent.split(/\s+/u).some((word) => !own.has(word.toLowerCase()));
  return parent !== '' && missing ? `${parent} ${label}` : label;
}

function isAbbreviation(word: string): boolean {
  return /^\p{Lu}[\p{Lu}\d]+$/u.test(word);
}

/** One capital before small letters: a word of a title, which a sentence writes small. */
function isCapitalised(word: string): boolean {
  return /^\p{Lu}\p{Ll}*[^\p{Lu}]*$/u.test(word) && word.length > 1;
}
