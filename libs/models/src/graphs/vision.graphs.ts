import type { ModelConfig } from '../family.js';
import { llavaVisionGraph } from '../llava/llava.vision.graph.js';
import { llavaNextVisionGraph } from '../llava_next/llava.next.vision.graph.js';
import { qwenVisionGraph } from '../qwen2_5_vl/qwen.vision.graph.js';
import { towerGraph } from '../qwen_vl/tower.graph.js';
import type { VisionGraph } from './vision.graph.js';

const visionGraphs: Readonly<Record<string, VisionGraph<never>>> = {
  qwen2_5_vl: qwenVisionGraph,
  qwen2_vl: towerGraph,
  qwen3_vl: towerGraph,
  llava: llavaVisionGraph,
  llava_next: llavaNextVisionGraph,
};

/** Whether a family's models see: those of text alone have no vision graph. */
export function hasVisionGraph(family: string): boolean {
  return family in visionGraphs;
}

/** The vision graph of a family. @throws RangeError for a family without one */
export function visionGraphOf<Config extends ModelConfig>(family: string): VisionGraph<Config> {
  const graph = visionGraphs[family] as VisionGraph<Config> | undefined;
  if (graph === undefined) throw new RangeError(`no vision graph for model type ${family}`);
  return graph;
}
