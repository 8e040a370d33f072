/** What spreadsheets take for the beginning of a formula (OWASP, CSV injection), their full-width forms too. */
const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/;

/**
 * A number, as amounts are written: signs, digits with their separators, a currency or a percent sign. It can do nothing
 * but be a number.
 */
const NUMBER = /^[+-]?\s?\p{Sc}?\s?\d[\d.,'’\s]*(e[+-]?\d+)?\s?(%|‰|\p{Sc})?$/iu;

/** The cell with a single quote before what a spreadsheet would run as a formula. */
export function safeCell(text: string): string {
  return FORMULA.test(text) && !NUMBER.test(text) ? `'${text}` : text;
}
