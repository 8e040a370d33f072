/** Injection tokens of what is not a Nest class. */
export const SETTINGS = Symbol('BudgetSettings');
export const REDIS = Symbol('Redis');
export const METRICS = Symbol('BudgetMetrics');
export const TELEMETRY = Symbol('Telemetry');
export const LEASES = Symbol('LeaseRepository');
export const DEVICES = Symbol('DeviceRegistry');
export const DEMAND = Symbol('DemandRepository');
