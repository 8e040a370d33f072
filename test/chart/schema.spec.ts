import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { format } from 'prettier';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { BudgetSettingsSchema } from '../../apps/budget/src/budget.settings.js';
import { GatewaySettingsSchema } from '../../apps/gateway/src/gateway.settings.js';
import { WorkerSettingsSchema } from '../../apps/worker/src/worker.settings.js';
import { CHART } from './tools.js';
import { jsonSchema, MANAGED, ValuesSchema } from './values.schema.js';

describe('values.schema.json', () => {
  it('is made from test/chart/values.schema.ts (vitest -u writes it)', async () => {
    const text = await format(JSON.stringify(jsonSchema()), { parser: 'json', printWidth: 120 });
    await expect(text).toMatchFileSnapshot(join(CHART, 'values.schema.json'));
  });

  it('takes the defaults, and has no key that values.yaml lacks', () => {
    const defaults: unknown = parse(readFileSync(join(CHART, 'values.yaml'), 'utf8'));
    expect(ValuesSchema.safeParse(defaults)).toMatchObject({ success: true });
    const { shape } = ValuesSchema;
    expect(Object.keys(shape).filter((key) => key !== 'global')).toEqual(Object.keys(defaults as object));
    const inDefaults = defaults as Record<string, Record<string, unknown>>;
    for (const part of [
      'redis',
      'gateway',
      'budget',
      'poolDefaults',
      'networkPolicy',
      'telemetry',
      'monitoring',
    ] as const) {
      const known = Object.keys(shape[part].unwrap().shape).sort();
      expect({ part, known: Object.keys(inDefaults[part]).sort() }).toEqual({ part, known });
    }
  });

  it('lists as managed only what services know', () => {
    const schemas = { gateway: GatewaySettingsSchema, budget: BudgetSettingsSchema, worker: WorkerSettingsSchema };
    for (const app of ['gateway', 'budget', 'worker'] as const) {
      expect(MANAGED[app].filter((name) => !(name in schemas[app].shape))).toEqual([]);
    }
  });
});
