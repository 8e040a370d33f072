import { float, GraphBuilder, Tensor, type Tensors, type Value } from '@madakv/onnx';
import { GraphWeights } from '../graphs/graph.weights.js';
import { activation, fullAttention } from '../graphs/layers.js';
import type { VisionGraph } from '../graphs/vision.graph.js';
import type { ModelConfig } from '../family.js';
import { patchAngles } from './patch.rotary.js';
import { positionTaps, TAPS } from './position.taps.js';
import type { TowerConfig } from './tower.config.js';

/** The reference has it in its code. */
const EPSILON = 1e-6;

/**
 * The tower of Qwen2-VL and Qwen3-VL for one image.
 *
 * Inputs: `pixels` `[patches, values]`, `cos`, `sin` `[1, patches, headDim / 2]`, and with learned positions `taps` `[patches, 4]` int32
 * (points of their square around each patch) and `shares` `[patches, 4]` (how much of each). Patches come merge block by merge block, so
 * that their cells are in reading order.
 */
export const towerGraph: VisionGraph<ModelConfig<TowerConfig>> = {
  build({ family, vision: tower }, tensors, blobs, precision) {
    const graph = new GraphBuilder(`${family}-vision`);
    const weights = new GraphWeights(graph, tensors, blobs, precision);
    const values = tower.channels * tower.temporalPatchSize * tower.patchSize ** 2;
    const pixels = graph.input('pixels', 'float32', ['patches', values]);
    const cos = graph.input('cos', 'float32', [1, 'patches', tower.headDim / 2]);
    const sin = graph.input('sin', 'float32', [1, 'patches', tower.headDim / 2]);
    const build = new TowerBuilder(graph, weights, tower);
    let x = build.positions(build.patches(pixels));
    const merged: Value[] = [];
    for (let layer = 0; layer < tower.layers; layer++) {
      x = build.block(layer, x, { cos, sin });
      const stacked = tower.deepStack.find((each) => each.layer === layer);
      if (stacked !== undefined) merged.push(build.stacked(stacked.merger, x));
    }
    merged.unshift(build.merged(x));
    const features = merged.length === 1 ? merged[0] : build.inLayers(merged);
    const dims = ['cells', tower.outputSize];
    graph.output('features', features, 'float32', merged.length === 1 ? dims : [merged.length, ...dims]);
    return graph.encode();
  },

  feeds({ vision: tower }, { pixels, dims, patchGrid }): Tensors {
    const patches = patchGrid.frames * patchGrid.rows * patchGrid.cols;
    const order = Int32Array.from({ length: patches }, (_, patch) => patch);
    const { cos, sin } = patchAngles(patchGrid, order, tower);
    const angles = [1, patches, tower.headDim / 2];
    const feeds: Tensors = {
      pixels: new Tensor('float32', pixels, dims),
      cos: new Tensor('float32', cos, angles),
      sin: new Tensor('float32', sin, angles),
    };
    if (tower.positionSide === undefined) return feeds;
    const { taps, shares } = positionTaps(patchGrid, tower.positionSide, tower.mergeSize);
    feeds['taps'] = new Tensor('int32', taps, [patches, TAPS]);
    feeds['shares'] = new Tensor('float32', shares, [patches, TAPS]);
    return feeds;
  },
};

class TowerBuilder {
  constructor(
    private readonly graph: GraphBuilder,
    private readonly weights: GraphWeights,
    private readonly tower: TowerConfig,
  ) {}

  patches(pixels: Value): Value {
    const bias = this.tower.patchBias ? ['vision.patch_embed.proj.bias'] : [];
    return this.weights.linear(pixels, ['vision.patch_embed.proj.weight'], bias);
  }

  /** Adds the learned positions, where there are any. */
  positions(x: Value): Value {
    const { graph, tower } = this;
    if (tower.positionSide === undefined) return x;
    const taps = graph.input('taps', 'int32', ['patches', TAPS]);
    const shares = graph.input('shares', 'float32', ['patches', TAPS]);
    const points = graph.op('Gather', [this.weights.tensor('vision.pos_embed.weight'), taps], { axis: 0 });
    const weighted = graph.op('Mul', [points, graph.op('Unsqueeze', [shares, graph.ints(2)])]);
    return graph.op('Add', [x, graph.op('ReduceSum', [weighted, graph.ints(1)], { keepdims: 0 })]);
  }

  block(layer: number, x: Value, { cos, sin }: { readonly cos: Value; readonly sin: Value }): Value {
    const { graph, tower } = this;
    const name = (part: string): string => `vision.blocks.${layer}.${part}`;
    const width = tower.heads * tower.headDim;
    const normed = this.norm(name('norm1'), x);
    const [q, k, v] = graph.ops('Split', [this.linear(name('attn.qkv'), normed), graph.ints(width, width, width)], {
      attributes: { axis: 1 },
      outputCount: 3,
    });
    const rotate = (value: Value): Value => {
      const batched = graph.op('Unsqueeze', [value, graph.ints(0)]);
      const turned = graph.op('RotaryEmbedding', [batched, cos, sin], { num_heads: tower.heads, interleaved: 0 });
      return graph.op('Squeeze', [turned, graph.ints(0)]);
    };
    const attended = this.linear(name('attn.proj'), fullAttention(graph, rotate(q), rotate(k), v, tower.heads));
    const residual = graph.op('Add', [x, attended]);
    const inner = this.linear(name('mlp.linear_fc1'), this.norm(name('norm2'), residual));
    const active = activation(graph, tower.hiddenAct, inner);
    return graph.op('Add', [residual, this.linear(name('mlp.linear_fc2'), active)]);
  }

  /** Norms patches, then joins those of a cell. */
  merged(x: Value): Value {
    return this.project('vision.merger', this.cells(this.norm('vision.merger.norm', x)));
  }

  /** Joins the patches of a cell, then norms it. */
  stacked(merger: number, x: Value): Value {
    const prefix = `vision.deepstack_merger_list.${merger}`;
    return this.project(prefix, this.norm(`${prefix}.norm`, this.cells(x)));
  }

  /** `[parts, cells, hidden]` of as many `[cells, hidden]`. */
  inLayers(parts: readonly Value[]): Value {
    const { graph } = this;
    const lifted = parts.map((part) => graph.op('Unsqueeze', [part, graph.ints(0)]));
    return graph.op('Concat', lifted, { axis: 0 });
  }

  private cells(x: Value): Value {
    const { hiddenSize, mergeSize } = this.tower;
    return this.graph.op('Reshape', [x, this.graph.ints(-1, hiddenSize * mergeSize ** 2)]);
  }

  private project(prefix: string, cells: Value): Value {
    const inner = this.graph.op('Gelu', [this.linear(`${prefix}.linear_fc1`, cells)]);
    return this.linear(`${prefix}.linear_fc2`, inner);
  }

  private linear(name: string, x: Value): Value {
    return this.weights.linear(x, [`${name}.weight`], [`${name}.bias`]);
  }

  private norm(name: string, x: Value): Value {
    const { weights } = this;
    const parts = [weights.tensor(`${name}.weight`), weights.tensor(`${name}.bias`)];
    return this.graph.op('LayerNormalization', [x, ...parts], { axis: -1, epsilon: float(EPSILON) });
  }
}
