/**
 * How many workers Kubernetes wants, as KEDA and the HorizontalPodAutoscaler reckon it: KEDA takes a pool from none to one and back, the
 * HPA all between. Formulas after pkg/controller/podautoscaler of Kubernetes 1.34 (external metric, AverageValue) and KEDA 2.21's scale loop.
 */
export interface AutoscalerSettings {
  /** The metric that one worker should have: bytes, or jobs. */
  readonly target: number;
  /** 0 or more; none only with 0. */
  readonly minReplicas: number;
  readonly maxReplicas: number;
  /** Between two looks of KEDA's. */
  readonly pollingSeconds: number;
  /** From one worker to none after the metric was 0 for so long. */
  readonly cooldownSeconds: number;
  /** The HPA goes down to the most that it wanted in this time. */
  readonly scaleDownWindowSeconds: number;
  /** Share of the workers that may end within a minute, in per cent. */
  readonly scaleDownPercent: number;
}

/** What the HPA does unless it is told otherwise. */
const SYNC_SECONDS = 15;
const TOLERANCE = 0.1;
const SCALE_UP = { pods: 4, percent: 100, periodSeconds: 15 } as const;
const SCALE_DOWN_PERIOD_SECONDS = 60;

/** @param current workers that there are, at least 1 @returns workers that the metric asks for, before limits and windows */
export function wantedReplicas(metric: number, target: number, current: number): number {
  const usage = metric / (target * current);
  return usage >= 1 - TOLERANCE && usage <= 1 + TOLERANCE ? current : Math.ceil(metric / target);
}

interface Change {
  readonly at: number;
  readonly by: number;
}

/** One pool's autoscaler. Ask it at every second, or at least at every multiple of its intervals; time never goes back. */
export class Autoscaler {
  private recommendations: { readonly at: number; readonly replicas: number }[] = [];
  private changes: Change[] = [];
  private lastActive = -Infinity;

  constructor(private readonly settings: AutoscalerSettings) {}

  /** @param at seconds @returns workers that there should be from now on */
  replicas(at: number, metric: number, current: number): number {
    const polled = at % this.settings.pollingSeconds === 0 ? this.poll(at, metric, current) : current;
    if (at % SYNC_SECONDS !== 0 || polled !== current || current === 0) return polled;
    const wanted = this.synchronise(at, metric, current);
    // The HPA's rates are of what it did itself.
    this.changes = this.changes.filter((change) => at - change.at < SCALE_DOWN_PERIOD_SECONDS);
    this.changes.push({ at, by: wanted - current });
    return wanted;
  }

  /** KEDA: between none and one. */
  private poll(at: number, metric: number, current: number): number {
    const { minReplicas, cooldownSeconds } = this.settings;
    if (metric > 0) this.lastActive = at;
    if (current === 0) return metric > 0 ? Math.max(1, minReplicas) : minReplicas;
    // As long as the HPA wants more than one, it is its to go down.
    const idle = metric === 0 && current === Math.max(1, minReplicas) && at - this.lastActive >= cooldownSeconds;
    return idle && minReplicas === 0 ? 0 : current;
  }

  /** The HPA: formula, window, rate, limits. */
  private synchronise(at: number, metric: number, current: number): number {
    const { target, minReplicas, maxReplicas, scaleDownWindowSeconds } = this.settings;
    const wanted = wantedReplicas(metric, target, current);
    this.recommendations = this.recommendations.filter((each) => at - each.at < scaleDownWindowSeconds);
    const most = Math.max(wanted, ...this.recommendations.map(({ replicas }) => replicas));
    this.recommendations.push({ at, replicas: wanted });
    // Up at once, down to the most of the window.
    const stabilised = wanted > current ? wanted : Math.min(current, most);
    const limited = Math.min(this.highest(at, current), Math.max(this.lowest(at, current), stabilised));
    return Math.min(maxReplicas, Math.max(1, minReplicas, limited));
  }

  private highest(at: number, current: number): number {
    const before = current - this.changed(at, SCALE_UP.periodSeconds);
    return Math.max(before + SCALE_UP.pods, Math.ceil(before * (1 + SCALE_UP.percent / 100)));
  }

  private lowest(at: number, current: number): number {
    const before = current - this.changed(at, SCALE_DOWN_PERIOD_SECONDS);
    return Math.trunc(before * (1 - this.settings.scaleDownPercent / 100));
  }

  /** Workers that came, less those that went, within a period. */
  private changed(at: number, periodSeconds: number): number {
    return this.changes.reduce((sum, change) => (at - change.at < periodSeconds ? sum + change.by : sum), 0);
  }
}
