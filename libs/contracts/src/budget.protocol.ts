import { fileURLToPath } from 'node:url';

/** Where budget.proto lies: beside src and dist alike, so this holds for both. */
export const BUDGET_PROTO_PATH = fileURLToPath(new URL('../proto/budget.proto', import.meta.url));
export const BUDGET_PACKAGE = 'madakv.budget.v1';
export const BUDGET_SERVICE = 'MemoryBudget';

/** How both ends read the .proto: camelCase fields, 64-bit numbers as numbers (all stay below 2^53), enums by name. */
export const BUDGET_PROTO_OPTIONS = {
  keepCase: false,
  longs: Number,
  enums: String,
  defaults: true,
  oneofs: true,
} as const;
