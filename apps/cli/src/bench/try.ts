import { cpuProvider } from '@madakv/onnx';
import { benchDecode } from './decode.bench.js';
const [shape, context, width, layers, bits, bs] = process.argv.slice(2);
console.log(
  JSON.stringify(
    await benchDecode(
      cpuProvider(),
      {
        shape,
        context: Number(context),
        width: Number(width),
        layers: Number(layers),
        precision: bits === '32' ? { kind: 'fp32' } : { kind: 'int', bits: Number(bits) as 4, blockSize: Number(bs) },
        ratio: 0.2,
        rounds: 10,
        cacheDir: '/tmp/bench-cache',
      },
      (m) => {
        console.error(m);
      },
    ),
    null,
    1,
  ),
);
