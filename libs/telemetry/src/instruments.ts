import {
  metrics,
  type Attributes,
  type BatchObservableCallback,
  type Meter,
  type MeterProvider,
} from '@opentelemetry/api';
import { METRICS, type MetricId } from '@madakv/contracts';
import { named } from './attributes.js';

type IdsOf<K extends string> = {
  [M in MetricId]: (typeof METRICS)[M]['kind'] extends K ? M : never;
}[MetricId];
export type HistogramId = IdsOf<'histogram'>;
export type CounterId = IdsOf<'counter'>;
export type GaugeId = IdsOf<'gauge'>;
/** A metric takes the attributes that the table lists for it, and no others. */
export type MetricAttributes<M extends MetricId> = Readonly<
  Partial<Record<(typeof METRICS)[M]['attributes'][number], string | undefined>>
>;

interface Instruments {
  readonly meter: Meter;
  readonly recorders: Map<MetricId, (value: number, attributes: Attributes) => void>;
}

/** The metrics API hands out no proxies: an instrument made before the SDK has started stays a no-op. So they are kept by provider. */
const instrumentsOf = new WeakMap<MeterProvider, Instruments>();

/** Adds a value to a histogram, in the unit of the table. */
export function record<M extends HistogramId>(metric: M, value: number, attributes: MetricAttributes<M>): void {
  recorderOf(metric)(value, named(attributes));
}

/** Adds to a counter. */
export function count(metric: CounterId, value: number): void {
  recorderOf(metric)(value, {});
}

/** How a reading of gauges says what it found. */
export type Observe = <M extends GaugeId>(metric: M, value: number, attributes: MetricAttributes<M>) => void;

/**
 * Reads gauges whenever metrics are collected. A reading that fails reports nothing.
 * @returns a function that ends it
 */
export function observe(gauges: readonly GaugeId[], read: (observe: Observe) => Promise<void>): () => void {
  const { meter } = currentInstruments();
  const instruments = new Map(
    gauges.map((id) => [
      METRICS[id].name as string,
      meter.createObservableGauge(METRICS[id].name, { unit: METRICS[id].unit, description: METRICS[id].about }),
    ]),
  );
  const callback: BatchObservableCallback = async (result) => {
    const found: Parameters<Observe>[] = [];
    try {
      await read((...reading) => found.push(reading));
    } catch {
      return;
    }
    for (const [id, value, attributes] of found) {
      const instrument = instruments.get(METRICS[id].name);
      if (instrument !== undefined) result.observe(instrument, value, named(attributes));
    }
  };
  const observables = [...instruments.values()];
  meter.addBatchObservableCallback(callback, observables);
  return () => {
    meter.removeBatchObservableCallback(callback, observables);
  };
}

function recorderOf(id: HistogramId | CounterId): (value: number, attributes: Attributes) => void {
  const { meter, recorders } = currentInstruments();
  const known = recorders.get(id);
  if (known !== undefined) return known;
  const recorder = createRecorder(meter, id);
  recorders.set(id, recorder);
  return recorder;
}

function createRecorder(meter: Meter, id: HistogramId | CounterId): (value: number, attributes: Attributes) => void {
  const metric = METRICS[id];
  const options = { unit: metric.unit, description: metric.about };
  if (metric.kind === 'counter') {
    const counter = meter.createCounter(metric.name, options);
    return (value, attributes) => {
      counter.add(value, attributes);
    };
  }
  const advice = { explicitBucketBoundaries: [...metric.buckets] };
  const histogram = meter.createHistogram(metric.name, { ...options, advice });
  return (value, attributes) => {
    histogram.record(value, attributes);
  };
}

function currentInstruments(): Instruments {
  const provider = metrics.getMeterProvider();
  let instruments = instrumentsOf.get(provider);
  if (instruments === undefined) {
    instruments = { meter: provider.getMeter('madakv'), recorders: new Map() };
    instrumentsOf.set(provider, instruments);
  }
  return instruments;
}
