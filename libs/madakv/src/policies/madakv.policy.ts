import { questionPositions } from '../layout.js';
import { PolicyOptionError } from '../errors.js';
import type { EvictionPolicy, ModelShape, Observation, PromptLayout } from '../policy.js';
import { flatProfile, lateProfile, type LayerProfile } from '../profile.js';
import { type KeepRules, minimumTokensPerHead, planRequest } from '../request.plan.js';
import { type MadaKvOptions, madakvDefaults, readMadaKvOptions } from './madakv.options.js';
import { MadaKvSelector } from './madakv.selector.js';

/**
 * MadaKV: "MadaKV: Adaptive Modality-Perception KV Cache Eviction for Efficient Multimodal Long-Context Inference"
 * (ACL 2025, arXiv 2506.15724), with what measurement on documents added to it: page-aware pooling, the last prompt
 * token as proxy, a layer profile with compensation around it.
 *
 * @param raw `MadaKvOptions`, all optional.
 * @throws {PolicyOptionError} for an unknown option or a value out of range.
 */
export function createMadaKv(raw?: unknown, name = 'madakv', defaults: MadaKvOptions = madakvDefaults): EvictionPolicy {
  const options = readMadaKvOptions(name, raw, defaults);
  const { questionCap, questionWindow, modalityFloor } = options;
  const rules: KeepRules = { questionCap, questionWindow, modalityFloor };
  return {
    name,
    observe: (prompt) => observeProxies(prompt, options),
    minimumTokensPerHead: (prompt) => minimumTokensPerHead(prompt, rules),
    start(prompt, model, grant) {
      const profile = profileFor(name, options, model);
      return new MadaKvSelector(planRequest(name, prompt, model, grant, rules), options, profile);
    },
  };
}

/** The proxy tokens P and their weights. The last prompt token is always one, even when it is held back. */
export function observeProxies(
  prompt: PromptLayout,
  options: Pick<MadaKvOptions, 'proxies' | 'questionWindow' | 'otherWeight' | 'groupReduction'>,
): Observation {
  const { proxies, questionWindow, otherWeight, groupReduction } = options;
  const last = prompt.tokens - 1;
  const others: number[] = [];
  if (proxies === 'question' && otherWeight > 0) {
    others.push(...questionPositions(prompt, questionWindow).filter((at) => at < last));
  }
  if (typeof proxies === 'number' && otherWeight > 0) {
    for (let at = Math.max(0, prompt.tokens - proxies); at < last; at++) others.push(at);
  }
  const positions = Int32Array.from([...others, last]);
  const weights = new Float32Array(positions.length).fill(otherWeight);
  weights[positions.length - 1] = 1;
  return { kind: 'queries', positions, weights, groupReduction };
}

function profileFor(
  policy: string,
  { layerRule, profile }: MadaKvOptions,
  { layers, heads }: ModelShape,
): LayerProfile {
  if (profile === 'flat') return { layers: flatProfile(layers) };
  if (profile === 'late') return { layers: layerRule === 'profile' ? lateProfile(layers) : flatProfile(layers) };
  if (profile.layers.length !== layers) {
    throw new PolicyOptionError(policy, 'profile.layers', `${layers} weights, one a layer`, profile.layers.length);
  }
  if (profile.heads?.some((weights) => weights.length !== heads) === true) {
    throw new PolicyOptionError(policy, 'profile.heads', `${heads} weights a layer, one a KV head`, profile.heads);
  }
  return layerRule === 'profile' ? profile : { ...profile, layers: flatProfile(layers) };
}
