/** Languages whose months and days are read. Two of them must not call different months the same. */
const LANGUAGES = ['en', 'de', 'fr', 'es', 'it', 'nl', 'pt', 'pl', 'cs', 'sv', 'da', 'nb', 'fi'];

/** What people write and the Unicode data do not. */
const OTHERS: Readonly<Record<string, number>> = { sept: 9, jän: 1, jänner: 1, mrz: 3, febr: 2, juil: 7, fév: 2 };

/** Letters as they are compared. */
export function dateWord(word: string): string {
  return word.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
}

/** Months from 1 by their names and abbreviations. A name that is two months in two languages is none. */
export const MONTHS: ReadonlyMap<string, number> = namesOf(
  'month',
  12,
  (index) => new Date(Date.UTC(2024, index, 15)),
  OTHERS,
);

/** Names of the days of the week, which say nothing that the date does not. */
export const WEEKDAYS: ReadonlySet<string> = new Set(
  namesOf('weekday', 7, (index) => new Date(Date.UTC(2024, 0, 7 + index, 12))).keys(),
);

/** From the runtime's Unicode data (CLDR), as they stand alone and beside a day. Days of the week have no number. */
function namesOf(
  part: 'month' | 'weekday',
  count: number,
  dateOf: (index: number) => Date,
  others: Readonly<Record<string, number>> = {},
): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  const doubtful = new Set<string>();
  const add = (name: string, number: number): void => {
    const word = dateWord(name).replace(/\.$/, '');
    if (!/^\p{L}[\p{L}-]+$/u.test(word)) return;
    if ((found.get(word) ?? number) !== number) doubtful.add(word);
    found.set(word, number);
  };
  for (const language of LANGUAGES) {
    for (const width of ['long', 'short'] as const) {
      for (const beside of [{}, { day: 'numeric' as const }]) {
        const format = new Intl.DateTimeFormat(language, { [part]: width, ...beside, timeZone: 'UTC' });
        for (let index = 0; index < count; index++) {
          const named = format.formatToParts(dateOf(index)).find(({ type }) => type === part);
          if (named !== undefined) add(named.value, part === 'month' ? index + 1 : 0);
        }
      }
    }
  }
  for (const [name, number] of Object.entries(others)) add(name, number);
  for (const word of doubtful) found.delete(word);
  return found;
}
