import { isDeepStrictEqual } from 'node:util';

/** What `examples/demo/invoice.schema.json` is to find in the invoice, and in its scan. */
const INVOICE = {
  invoice_number: 'HT-4827',
  invoice_date: '2025-03-14',
  due_date: '2025-04-13',
  order_number: 'PN-3365',
  subtotal: 1038.6,
  vat: 207.72,
  total_amount: 1246.32,
  discount: null,
  payment: { terms: '30 days net', method: 'bank transfer', sort_code: '40-27-83' },
  bank: 'Severn Bank PLC',
  chair_price: 129,
};

/** Values that the schema asks for. */
export const INVOICE_VALUES = 13;

/** What of an object of that schema is not as it should be, a line each. */
export function wrongValues(found: unknown): string[] {
  const [expected, values] = [flat(INVOICE), flat(found)];
  const names = new Set([...expected.keys(), ...values.keys()]);
  return [...names].flatMap((name) => {
    const [wanted, got] = [expected.get(name), values.get(name)];
    return isDeepStrictEqual(wanted, got) ? [] : [`${name}: ${JSON.stringify(got)}, not ${JSON.stringify(wanted)}`];
  });
}

function flat(value: unknown, prefix = ''): Map<string, unknown> {
  return new Map(
    Object.entries(value as object).flatMap(([key, inner]: [string, unknown]): [string, unknown][] =>
      typeof inner === 'object' && inner !== null ? [...flat(inner, `${prefix}${key}.`)] : [[`${prefix}${key}`, inner]],
    ),
  );
}
