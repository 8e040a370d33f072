import { cpuProvider } from '@madakv/onnx';
import { benchDecode } from './decode.bench.js';
import { benchPrefill } from './prefill.bench.js';
import { benchSelect } from './select.bench.js';
const [kind, shape, context, width, layers, bits, bs] = process.argv.slice(2);
const precision =
  bits === 'w8a8'
    ? ({ kind: 'w8a8' } as const)
    : bits === '32'
      ? ({ kind: 'fp32' } as const)
      : ({ kind: 'int', bits: Number(bits) as 4, blockSize: Number(bs) } as const);
const log = (m: string): void => {
  console.error(m);
};
const common = {
  shape,
  layers: Number(layers),
  precision,
  cacheDir: '/tmp/bench-cache',
  kvPrecision: (process.env['KV'] ?? 'fp32') as 'fp32',
};
if (kind === 'decode')
  console.log(
    JSON.stringify(
      await benchDecode(
        cpuProvider(),
        { ...common, context: Number(context), width: Number(width), ratio: 0.2, rounds: 10 },
        log,
      ),
      null,
      1,
    ),
  );
if (kind === 'prefill')
  console.log(
    JSON.stringify(
      await benchPrefill(
        cpuProvider(),
        { ...common, tokens: Number(context), chunkTokens: Number(width), ratio: 0.2, policy: 'madakv', rounds: 3 },
        log,
      ),
      null,
      1,
    ),
  );
if (kind === 'select')
  console.log(
    benchSelect({
      tokens: 32768,
      heads: 4,
      layers: 28,
      ratio: 0.2,
      rounds: 5,
      policies: ['madakv', 'madakv-paper', 'snapkv', 'h2o', 'streaming-llm'],
    }),
  );
