import { rotaryTable } from '@madakv/models';
import { Tensor, TensorScope } from '@madakv/onnx';
import type { LayerCache } from '../kv/kv.memory.js';
import type { Decoder } from './decoder.js';

/** One sequence's part of a decode step. */
export interface StepInput {
  /** `[hidden]` embedding of the newest token. */
  readonly embedding: Float32Array;
  /** `[axes]` rotary position of the newest token. */
  readonly position: Int32Array;
  /** One cache a layer; the newest token's key and value are appended to each. */
  readonly caches: readonly LayerCache[];
}

/**
 * Runs the newest token of each sequence through all layers at once. Sequences share the weights' reads and nothing else.
 * @returns `[sequences, vocab]` logits of the next token
 */
export function decodeStep(decoder: Decoder, inputs: readonly StepInput[]): Promise<Float32Array> {
  return throughLayers(decoder, inputs, (x, attention) => decoder.logits(x, attention));
}

/** The same where nothing but the likeliest token is wanted. @returns `[sequences]` */
export function decodeLikeliest(decoder: Decoder, inputs: readonly StepInput[]): Promise<Int32Array> {
  return throughLayers(decoder, inputs, (x, attention) => decoder.likeliest(x, attention));
}

/** @param end what becomes of the residual stream and the attention of the last layer */
async function throughLayers<Result>(
  decoder: Decoder,
  inputs: readonly StepInput[],
  end: (x: Tensor, attention: Tensor) => Promise<Result>,
): Promise<Result> {
  const { hiddenSize, layers } = decoder.config;
  const rows = inputs.length;
  const embeddings = new Float32Array(rows * hiddenSize);
  inputs.forEach(({ embedding }, row) => {
    embeddings.set(embedding, row * hiddenSize);
  });
  const rotary = rotaryTable(decoder.config, stackPositions(inputs), inputs[0].position.length === 1 ? 1 : 3);
  const scope = new TensorScope();
  try {
    let x: Tensor = new Tensor('float32', embeddings, [rows, hiddenSize]);
    let fresh = scope.holdAll(await decoder.beginLayer(0, x, rotary));
    for (let layer = 0; ; layer++) {
      const caches = inputs.map((input) => input.caches[layer]);
      const attention = scope.hold(await decoder.memory.attend(fresh, caches));
      if (layer + 1 === layers) return await end(x, attention);
      const next = scope.holdAll(await decoder.crossLayer(layer, x, attention, rotary));
      scope.keepOnly(next);
      x = next.y;
      fresh = next;
    }
  } finally {
    scope.close();
  }
}

/** @returns `[axes, sequences]` */
function stackPositions(inputs: readonly StepInput[]): Int32Array {
  const axes = inputs[0].position.length;
  const stacked = new Int32Array(axes * inputs.length);
  inputs.forEach(({ position }, row) => {
    for (let axis = 0; axis < axes; axis++) stacked[axis * inputs.length + row] = position[axis];
  });
  return stacked;
}
