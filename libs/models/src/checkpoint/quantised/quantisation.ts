import { z } from 'zod';
import { CheckpointError } from '../checkpoint.error.js';
import type { CheckpointFolder } from '../checkpoint.folder.js';
import type { CompressedFormat } from './compressed.matrix.js';
import type { GptqFormat } from './gptq.matrix.js';

/** How the matrices of a checkpoint are stored. Which are, the files say: a matrix that was left out is there as it was. */
export type Quantisation =
  | { readonly kind: 'none' }
  | ({ readonly kind: 'gptq' } & GptqFormat)
  | { readonly kind: 'awq'; readonly groupSize: number | undefined }
  | ({ readonly kind: 'compressed' } & CompressedFormat)
  /** `tile`: outputs and inputs that share a scale; absent for one scale a matrix or an output. */
  | { readonly kind: 'fp8'; readonly tile?: readonly [number, number] };

const CONFIG = 'config.json';
const KEY = 'quantization_config';
const SUPPORTED = 'awq, gptq, compressed-tensors (pack-quantized, float-quantized) and fp8';
const INSTEAD = 'pull the checkpoint that it was made from, or one in AWQ or GPTQ';

const rootSchema = z.looseObject({
  quantization_config: z.record(z.string(), z.unknown()).nullish(),
  compression_config: z.record(z.string(), z.unknown()).nullish(),
  text_config: z.looseObject({ quantization_config: z.record(z.string(), z.unknown()).nullish() }).nullish(),
});
const count = z.int();
const methodSchema = z.looseObject({ quant_method: z.string(), load_in_4bit: z.boolean().nullish() });
const gptqSchema = z.looseObject({
  group_size: count.nullish(),
  checkpoint_format: z.string().nullish(),
  format: z.string().nullish(),
  is_marlin_format: z.boolean().nullish(),
});
const awqSchema = z.looseObject({
  group_size: count.nullish(),
  q_group_size: count.nullish(),
  version: z.string().nullish(),
  format: z.string().nullish(),
  backend: z.string().nullish(),
});
const argumentsSchema = z.looseObject({
  num_bits: count.nullish(),
  type: z.string().nullish(),
  symmetric: z.boolean().nullish(),
  group_size: count.nullish(),
  block_structure: z.union([z.tuple([count.positive(), count.positive()]), z.string()]).nullish(),
});
const compressedSchema = z.looseObject({
  format: z.string(),
  config_groups: z.record(
    z.string(),
    z.looseObject({ weights: argumentsSchema.nullish(), input_activations: z.unknown().optional(), format: z.string().nullish() }),
  ),
  transform_config: z.record(z.string(), z.unknown()).nullish(),
  sparsity_config: z.looseObject({ format: z.string().nullish() }).nullish(),
});
const fp8Schema = z.looseObject({ weight_block_size: z.tuple([count.positive(), count.positive()]).nullish() });

/**
 * What config.json says of how the matrices are stored.
 * @throws CheckpointError `unsupported_feature` for another method or format, with what to pull instead; `bad_value`
 */
export function readQuantisation(folder: CheckpointFolder): Quantisation {
  const root = folder.parse(rootSchema, folder.json(CONFIG), CONFIG);
  const settings = root.quantization_config ?? root.compression_config ?? root.text_config?.quantization_config;
  if (settings === undefined || settings === null) return { kind: 'none' };
  const parse = <T>(schema: z.ZodType<T>): T => folder.parse(schema, settings, CONFIG, [KEY]);
  const refuse = (what: string): never => {
    throw new CheckpointError('unsupported_feature', `${folder.path(CONFIG)}: ${KEY}: ${what}; ${INSTEAD}`);
  };
  const { quant_method: method, load_in_4bit: fourBits } = parse(methodSchema);
  switch (method) {
    case 'gptq':
      return gptq(parse(gptqSchema), refuse);
    case 'awq':
      return awq(parse(awqSchema), refuse);
    case 'compressed-tensors':
      return compressed(parse(compressedSchema), refuse);
    case 'fp8': {
      const { weight_block_size: tile } = parse(fp8Schema);
      return { kind: 'fp8', ...(tile == null ? {} : { tile }) };
    }
    case 'bitsandbytes':
      return refuse(`quantised with bitsandbytes (${fourBits === true ? '4' : '8'} bit), which is not supported`);
    default:
      return refuse(`quant_method ${method}; supported are ${SUPPORTED}`);
  }
}

type Refuse = (what: string) => never;

function gptq(settings: z.infer<typeof gptqSchema>, refuse: Refuse): Quantisation {
  const format = (settings.checkpoint_format ?? settings.format ?? 'gptq').toLowerCase();
  if (settings.is_marlin_format === true) return refuse('gptq in the format marlin; supported are gptq and gptq_v2');
  if (format !== 'gptq' && format !== 'gptq_v2') {
    return refuse(`gptq in the format ${format}; supported are gptq and gptq_v2`);
  }
  return { kind: 'gptq', groupSize: sized(settings.group_size), zeroPoints: format === 'gptq' ? 'one less' : 'same' };
}

function awq(settings: z.infer<typeof awqSchema>, refuse: Refuse): Quantisation {
  const format = (settings.version ?? settings.format ?? 'gemm').toLowerCase();
  const found = settings.backend === 'llm-awq' ? 'llm-awq' : format;
  if (found !== 'gemm') return refuse(`awq in the format ${found}; supported is gemm`);
  return { kind: 'awq', groupSize: sized(settings.group_size ?? settings.q_group_size) };
}

function compressed(settings: z.infer<typeof compressedSchema>, refuse: Refuse): Quantisation {
  const groups = Object.values(settings.config_groups);
  const formats = new Set([settings.format, ...groups.map(({ format }) => format ?? settings.format)]);
  const format = formats.size === 1 ? settings.format : 'mixed-precision';
  const sparse = settings.sparsity_config?.format ?? 'dense';
  if (sparse !== 'dense') return refuse(`compressed-tensors with sparsity ${sparse}`);
  if (Object.keys(settings.transform_config?.['config_groups'] ?? {}).length > 0) {
    return refuse('compressed-tensors with transforms of activations');
  }
  const weights = groups.map((group) => group.weights).filter((found) => found != null);
  const tiles = weights.map(({ block_structure: tile }) => tile).filter((tile) => Array.isArray(tile));
  if (format === 'float-quantized') {
    if (weights.some(({ num_bits: bits }) => bits !== 8)) return refuse('compressed-tensors with floats of other than 8 bits');
    return { kind: 'fp8', ...(tiles.length === 0 ? {} : { tile: tiles[0] }) };
  }
  if (format !== 'pack-quantized') {
    return refuse(`compressed-tensors in the format ${format}; supported are pack-quantized and float-quantized`);
  }
  if (groups.some(({ input_activations: activations }) => activations != null)) {
    return refuse('compressed-tensors with quantised activations');
  }
  return {
    kind: 'compressed',
    groupSize: weights.length === 1 ? sized(weights[0].group_size) : undefined,
    isSymmetric: weights.every(({ symmetric }) => symmetric !== false),
  };
}

/** A group size of -1 stands for all inputs. */
function sized(groupSize: number | null | undefined): number | undefined {
  return groupSize == null || groupSize <= 0 ? undefined : groupSize;
}
