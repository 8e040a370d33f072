/** Eviction policies that a request may name, the usual ones first. A test holds them against the table of libs/madakv. */
export const POLICIES = [
  'madakv',
  'full',
  'snapkv',
  'h2o',
  'pyramidkv',
  'streaming-llm',
  'look-m',
  'random',
  'madakv-paper',
] as const;
