import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { BUDGET_METHODS, NeedSchema } from './budget.messages.js';
import { BUDGET_PACKAGE, BUDGET_PROTO_PATH, BUDGET_SERVICE } from './budget.protocol.js';

describe('budget.proto', () => {
  const proto = readFileSync(BUDGET_PROTO_PATH, 'utf8');

  it('has the package, the service and the methods of the table', () => {
    expect(proto).toContain(`package ${BUDGET_PACKAGE};`);
    expect(proto).toContain(`service ${BUDGET_SERVICE} {`);
    const methods = [...proto.matchAll(/rpc (\w)(\w+)\(/g)].map(
      ([, first = '', rest = '']) => first.toLowerCase() + rest,
    );
    expect(methods).toEqual(Object.keys(BUDGET_METHODS));
  });
});

describe('a need', () => {
  const need = { peakBytes: 3, targetBytes: 2, minBytes: 1, fullBytes: 9 };

  it('goes from min over target to peak', () => {
    expect(NeedSchema.safeParse(need).success).toBe(true);
    expect(NeedSchema.safeParse({ ...need, minBytes: 2, peakBytes: 2 }).success).toBe(true);
    expect(NeedSchema.safeParse({ ...need, minBytes: 3 }).success).toBe(false);
    expect(NeedSchema.safeParse({ ...need, targetBytes: 4 }).success).toBe(false);
  });

  it.each([0, -1, 1.5, 2 ** 46 + 1, NaN])('has no bytes like %d', (fullBytes) => {
    expect(NeedSchema.safeParse({ ...need, fullBytes }).success).toBe(false);
  });
});
