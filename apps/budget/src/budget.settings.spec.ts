import { readFileSync } from 'node:fs';
import { parseEnvironment, settingsTable, SettingsError } from '@madakv/contracts';
import { describe, expect, it } from 'vitest';
import { BudgetSettingsSchema } from './budget.settings.js';

describe('settings', () => {
  it('has a default for everything', () => {
    expect(parseEnvironment(BudgetSettingsSchema, {})).toMatchObject({
      MADAKV_REDIS_URL: 'redis://127.0.0.1:6379',
      MADAKV_BUDGET_LEASE_TTL_MS: 30_000,
      MADAKV_BUDGET_TENANT_SHARES: { '*': 1 },
    });
  });

  it.each([
    ['MADAKV_REDIS_URL', 'localhost:6379'],
    ['MADAKV_BUDGET_KEY_PREFIX', 'a{b}'],
    ['MADAKV_BUDGET_HOST', 'a b'],
    ['MADAKV_BUDGET_PORT', '0'],
    ['MADAKV_BUDGET_LEASE_TTL_MS', '30s'],
    ['MADAKV_BUDGET_TENANT_SHARES', '{"a":1.5}'],
    ['MADAKV_LOG_LEVEL', 'loud'],
  ])('refuses %s=%s', (name, value) => {
    const read = (): unknown => parseEnvironment(BudgetSettingsSchema, { [name]: value });
    expect(read).toThrow(SettingsError);
    expect(read).toThrow(`${name}: expected `);
  });

  it('is what docs/budget.md says', () => {
    const page = readFileSync(new URL('../../../docs/budget.md', import.meta.url), 'utf8');
    const [, table = ''] = /<!-- settings -->\n([^]*?)<!-- \/settings -->/.exec(page) ?? [];
    // The formatter pads columns.
    const plain = (text: string): string => text.trim().replaceAll(/ +/g, ' ').replaceAll(/-+/g, '-');
    expect(plain(table)).toBe(plain(settingsTable(BudgetSettingsSchema)));
  });
});
