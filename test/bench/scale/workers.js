/*
 * A thousand workers without engines, in one process: each has a device, a connection of its own, its heartbeat, and requests that never run
 * out. A request states its demand, asks for a lease until it has one, is read (one at a time on a device), shrinks its lease, is answered
 * and gives it back; its lease is renewed as the worker does. How long reading and answering take was measured; the calls are real.
 *
 * Told by its parent: {settings} once, then 'begin' and 'end' of what is to be measured. Tells it {ready}, {figures}.
 */
import { performance } from 'node:perf_hooks';
import { clearInterval, setInterval } from 'node:timers';
import { setTimeout as sleep } from 'node:timers/promises';
import { BudgetWatch } from '../../../apps/worker/dist/lease/budget.watch.js';
import { BudgetClient } from '../../../libs/budget-client/dist/index.js';

const figures = { latencies: new Map(), errors: 0, outcomes: new Map() };
const count = (map, key) => map.set(key, (map.get(key) ?? 0) + 1);
let measuring = false;

class SimulatedDevice {
  /** Reading is one after the other. */
  reading = Promise.resolve();
  jobs = 0;

  constructor(index, { addresses, capacityBytes, need, concurrency, readMs, answerMs }) {
    this.id = `device-${index}`;
    this.capacityBytes = capacityBytes;
    this.need = need;
    this.concurrency = concurrency;
    this.readMs = readMs;
    this.answerMs = answerMs;
    const address = addresses[index % addresses.length];
    this.watch = new BudgetWatch(new BudgetClient({ address, ownConnection: true, deadlineMs: 10_000 }));
  }

  async call(method, request) {
    const started = performance.now();
    try {
      const reply = await this.watch.call(method, request);
      if (measuring) {
        const outcome = reply.outcome === undefined ? method : `${method} ${reply.outcome}`;
        count(figures.outcomes, outcome);
        if (!figures.latencies.has(method)) figures.latencies.set(method, []);
        figures.latencies.get(method).push(performance.now() - started);
      }
      return reply;
    } catch {
      if (measuring) figures.errors++;
      return undefined;
    }
  }

  announce() {
    return this.call('registerDevice', { deviceId: this.id, workerId: this.id, capacityBytes: this.capacityBytes });
  }

  async heartbeat() {
    for (;;) {
      const reply = await this.announce();
      await sleep(reply === undefined ? 1_000 : reply.ttlMs / 3);
    }
  }

  async serve() {
    for (;;) await this.answer(`${this.id}.${this.jobs++}`);
  }

  async answer(jobId) {
    await this.call('publishDemand', { jobId, bytes: this.need.targetBytes });
    const granted = await this.acquire(jobId);
    const lease = { deviceId: this.id, leaseId: granted.leaseId, fencingToken: granted.fencingToken };
    const renewal = setInterval(() => void this.call('renew', { lease }), granted.ttlMs / 3);
    try {
      const read = this.reading.then(() => sleep(this.readMs));
      this.reading = read;
      await read;
      await this.call('resize', { lease, bytes: granted.grantedBytes });
      await sleep(this.answerMs);
    } finally {
      clearInterval(renewal);
    }
    await this.call('release', { lease });
  }

  async acquire(jobId) {
    for (;;) {
      const request = { deviceId: this.id, jobId, holder: 'a', tenant: 't', need: this.need, rank: 0 };
      const reply = await this.call('acquire', request);
      if (reply?.outcome === 'granted') return reply.granted;
      if (reply?.outcome === 'refused') await this.announce();
      await sleep(reply?.outcome === 'full' ? reply.full.retryAfterMs : 1_000);
    }
  }
}

function summary() {
  const latencies = [...figures.latencies].map(([method, all]) => {
    const sorted = all.sort((a, b) => a - b);
    const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
    return [method, { calls: sorted.length, p50: at(0.5), p99: at(0.99), most: sorted.at(-1) }];
  });
  return {
    latencies: Object.fromEntries(latencies),
    errors: figures.errors,
    outcomes: Object.fromEntries(figures.outcomes),
  };
}

process.on('message', (message) => {
  if (message.settings !== undefined) void start(message.settings);
  if (message === 'begin') {
    measuring = true;
    figures.latencies.clear();
    figures.outcomes.clear();
    figures.errors = 0;
  }
  if (message === 'end') {
    measuring = false;
    process.send({ figures: summary() });
  }
});
process.on('disconnect', () => process.exit());

async function start(settings) {
  const devices = Array.from({ length: settings.workers }, (_, i) => new SimulatedDevice(i, settings));
  for (const device of devices) {
    void device.heartbeat();
    // A fleet does not start in one instant, and its heartbeats stay apart.
    await sleep(settings.startMs / settings.workers);
    for (let i = 0; i < device.concurrency; i++) void device.serve();
  }
  process.send({ ready: true });
}
