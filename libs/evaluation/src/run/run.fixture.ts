import { FORMAT, type RunRecord } from './run.record.js';

/** A run for tests. */
export function runRecord({ sets, variants }: Pick<RunRecord['settings'], 'sets' | 'variants'>): RunRecord {
  return {
    settings: {
      format: FORMAT,
      suite: 'reader',
      model: '0123456789abcdef0123456789abcdef',
      data: [{ file: 'fields.jsonl', sha256: 'fedcba9876543210' }],
      sets,
      split: 'report',
      limit: 40,
      maxTokens: null,
      protocol: 'replay',
      prefill: 'shared',
      seed: 7,
      quant: 'none',
      blockSize: '64',
      kvCache: 'fp32',
      provider: 'cpu',
      variants,
    },
    about: {
      modelDir: 'models/reader',
      dataPath: 'requests',
      command: 'madakv eval --suite reader',
      startedAt: '2026-01-02T03:04:05.678Z',
      versions: { madakv: '0.1.0', node: '20.19.0' },
      processor: 'a processor, 2 cores',
      layers: 2,
      heads: 2,
    },
  };
}
