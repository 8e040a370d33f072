import { GraphBuilder, type Value } from '@madakv/onnx';
import type { DecoderConfig } from '../decoder.config.js';
import { GraphWeights, type BlobSink, type TensorSource, type WeightFormat } from './graph.weights.js';
import { rmsNorm } from './layers.js';

/**
 * The decoder is cut between its attentions into `layers + 1` stages, each a graph of its own. Stage `l` ends layer
 * `l - 1` (output projection, MLP) and begins layer `l` (norm, query, key, value, rotary positions); the last one ends
 * with the logits. So every weight is held once and serves prefill, layer by layer, as well as decoding.
 *
 * Both halves take any number of rows, also none: prefill runs them apart, decoding together.
 *
 * | input   | shape                       |                                                              |
 * |---------|-----------------------------|--------------------------------------------------------------|
 * | `x`     | `[ended, hidden]`           | residual stream at the layer that ends (not in stage 0)      |
 * | `attn`  | `[ended, heads * dim]`      | its attention's output (not in stage 0)                      |
 * | `skip`  | `[1]` int64                 | how many of the ended rows do not go on (not in stage 0)     |
 * | `fresh` | `[begun, hidden]`           | rows that only begin the next layer (not in the last stage)  |
 * | `cos`, `sin` | `[1, ended - skip + begun, dim / 2]` | rotary table of the rows that begin (not in the last stage) |
 *
 * Outputs: `y` `[ended, hidden]` (not in stage 0), then `q` `[rows, heads * dim]`, `k` and `v` `[rows, kvHeads * dim]`, or in the
 * last stage `logits` `[ended - skip, vocab]`.
 */
export function decoderStage(
  config: DecoderConfig,
  stage: number,
  tensors: TensorSource,
  blobs: BlobSink,
  format: WeightFormat,
): Uint8Array {
  const graph = new GraphBuilder(`decoder-stage-${stage}`);
  const weights = new GraphWeights(graph, tensors, blobs, format);
  const last = stage === config.layers;
  const ended = stage > 0 ? endLayer(graph, weights, config, stage - 1) : undefined;
  const fresh = last ? undefined : graph.input('fresh', 'float32', ['begun', config.hiddenSize]);
  const rows = [ended, fresh].filter((value) => value !== undefined);
  const begun = rows.length === 1 ? rows[0] : graph.op('Concat', rows, { axis: 0 });
  if (last) outputLogits(graph, weights, config, begun);
  else beginLayer(graph, weights, config, stage, begun);
  return graph.encode();
}

/** Name of the output head's weight: the embedding matrix when they are tied. */
export function headWeight(config: DecoderConfig): string {
  return config.tiedEmbeddings ? EMBEDDING_WEIGHT : 'lm_head.weight';
}

export const EMBEDDING_WEIGHT = 'decoder.embed_tokens.weight';

const layerName = (layer: number, part: string): string => `decoder.layers.${layer}.${part}`;

/** @returns the rows of `y` that go on to the next layer */
function endLayer(graph: GraphBuilder, weights: GraphWeights, config: DecoderConfig, layer: number): Value {
  const x = graph.input('x', 'float32', ['ended', config.hiddenSize]);
  const attention = graph.input('attn', 'float32', ['ended', config.heads * config.headDim]);
  const skip = graph.input('skip', 'int64', [1]);
  const names = (parts: readonly string[]): string[] => parts.map((part) => layerName(layer, part));
  const biases = (on: boolean, parts: readonly string[]): string[] => (on ? names(parts) : []);

  const output = weights.linear(
    attention,
    names(['self_attn.o_proj.weight']),
    biases(config.outputBias, ['self_attn.o_proj.bias']),
  );
  const residual = graph.op('Add', [x, output]);
  const normed = rmsNorm(graph, residual, weights.tensor(layerName(layer, 'post_attention_layernorm.weight')), config.rmsNormEps);
  const mlp = (part: string, input: Value): Value =>
    weights.linear(input, names([`mlp.${part}.weight`]), biases(config.mlpBias, [`mlp.${part}.bias`]));
  const gate = mlp('gate_proj', normed);
  const up = mlp('up_proj', normed);
  const active = graph.op('Mul', [graph.op('Mul', [gate, graph.op('Sigmoid', [gate])]), up]);
  const y = graph.op('Add', [residual, mlp('down_proj', active)]);
  graph.output('y', y, 'float32', ['ended', config.hiddenSize]);
  return graph.op('Slice', [y, skip, graph.ints(Number.MAX_SAFE_INTEGER), graph.ints(0)]);
}

function beginLayer(graph: GraphBuilder, weights: GraphWeights, config: DecoderConfig, layer: number, x: Value): void {
  const cos = graph.input('cos', 'float32', [1, 'rows', config.headDim / 2]);
  const sin = graph.input('sin', 'float32', [1, 'rows', config.headDim / 2]);
  const parts = ['q_proj', 'k_proj', 'v_proj'].map((part) => layerName(layer, `self_attn.${part}`));
  const normed = rmsNorm(graph, x, weights.tensor(layerName(layer, 'input_layernorm.weight')), config.rmsNormEps);
  const joined = weights.linear(
    normed,
    parts.map((part) => `${part}.weight`),
    config.qkvBias ? parts.map((part) => `${part}.bias`) : [],
  );
  const [queryDim, keyDim] = [config.heads * config.headDim, config.kvHeads * config.headDim];
  const [q, k, v] = graph.ops('Split', [joined, graph.ints(queryDim, keyDim, keyDim)], {
    attributes: { axis: 1 },
    outputCount: 3,
  });
  const rotate = (value: Value, heads: number, dim: number): Value => {
    const batched = graph.op('Unsqueeze', [value, graph.ints(0)]);
    const turned = graph.op('RotaryEmbedding', [batched, cos, sin], { num_heads: heads, interleaved: 0 });
    return graph.op('Reshape', [turned, graph.ints(-1, dim)]);
  };
  const ready = (value: Value, part: string, width: number): Value =>
    config.qkNorm === true ? headNorm(graph, weights, config, layerName(layer, `self_attn.${part}`), value, width) : value;
  graph.output('q', rotate(ready(q, 'q_norm', queryDim), config.heads, queryDim), 'float32', ['rows', queryDim]);
  graph.output('k', rotate(ready(k, 'k_norm', keyDim), config.kvHeads, keyDim), 'float32', ['rows', keyDim]);
  graph.output('v', v, 'float32', ['rows', keyDim]);
}

/** Norms each head of `[rows, heads * dim]` by itself. */
function headNorm(
  graph: GraphBuilder,
  weights: GraphWeights,
  { headDim, rmsNormEps }: DecoderConfig,
  name: string,
  value: Value,
  width: number,
): Value {
  const heads = graph.op('Reshape', [value, graph.ints(-1, headDim)]);
  const normed = rmsNorm(graph, heads, weights.tensor(`${name}.weight`), rmsNormEps);
  return graph.op('Reshape', [normed, graph.ints(-1, width)]);
}

function outputLogits(graph: GraphBuilder, weights: GraphWeights, config: DecoderConfig, x: Value): void {
  const normed = rmsNorm(graph, x, weights.tensor('decoder.norm.weight'), config.rmsNormEps);
  graph.output('logits', weights.linear(normed, [headWeight(config)]), 'float32', ['rows', config.vocabSize]);
}
