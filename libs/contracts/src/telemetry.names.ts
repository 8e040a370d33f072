/** Span and log attributes. Ids of jobs, leases and requests belong here, never in a metric's attributes. */
export const ATTRIBUTES = {
  jobId: 'madakv.job.id',
  tenant: 'madakv.tenant',
  deviceId: 'madakv.device.id',
  leaseId: 'madakv.lease.id',
  leaseFencingToken: 'madakv.lease.fencing_token',
  leaseBytes: 'madakv.lease.bytes',
  leaseGrantedBytes: 'madakv.lease.granted_bytes',
  leaseCacheRatio: 'madakv.lease.cache_ratio',
  /** granted, full, impossible, refused, held or released. */
  leaseOutcome: 'madakv.lease.outcome',
  /** Why a lease was not granted, grown or touched: the reasons of budget.proto. */
  leaseReason: 'madakv.lease.reason',
  /** acquire, renew, resize or release. */
  leaseOperation: 'madakv.lease.operation',
} as const;

/** Metric instruments with their units (UCUM). */
export const METRICS = {
  /** Histogram: how long an operation on a lease took in the service, by operation and outcome. */
  leaseOperationDuration: { name: 'madakv.lease.operation.duration', unit: 's' },
  /** Counter: leases that nobody renewed in time. */
  leasesExpired: { name: 'madakv.lease.expired', unit: '{lease}' },
  /** Histogram: granted bytes over the whole prompt's. */
  leaseCacheRatio: { name: 'madakv.lease.cache_ratio', unit: '1' },
  /** Gauges, by device. */
  deviceCapacity: { name: 'madakv.device.capacity', unit: 'By' },
  deviceHeld: { name: 'madakv.device.held', unit: 'By' },
  deviceLeases: { name: 'madakv.device.leases', unit: '{lease}' },
  deviceWaiting: { name: 'madakv.device.waiting', unit: '{job}' },
  /** Gauges over all devices. */
  demandQueued: { name: 'madakv.demand.queued', unit: 'By' },
  demandWantedDevices: { name: 'madakv.demand.wanted_devices', unit: '{device}' },
} as const;
