import { bins, digits, type Scratch, sortableBits } from './scratch.js';

const magnitude = 0x7fffffff;

/**
 * Marks the `count` positions with the highest scores. Equal scores are decided by `tieScores` where given, and then by
 * position: the lower one wins. So the same scores give the same selection on every backend.
 *
 * Radix selection on the bits of the scores: linear time, no sort.
 *
 * @param scores `[tokens]`, finite, >= 0.
 * @param among ascending positions to choose from.
 * @param count 0..among.length.
 * @param marks `[tokens]`: set to 1 at the chosen positions, otherwise left alone.
 */
export function markTop(
  scores: Float32Array,
  among: Int32Array,
  count: number,
  marks: Uint8Array,
  scratch: Scratch,
  tieScores?: Float32Array,
): void {
  if (count <= 0) return;
  if (count >= among.length) {
    for (let i = 0; i < among.length; i++) marks[among[i]] = 1;
    return;
  }
  const bits = sortableBits(scores);
  const { key, ties, tied } = findThreshold(bits, among, count, scratch);
  for (let i = 0; i < among.length; i++) {
    const position = among[i];
    if ((bits[position] & magnitude) > key) marks[position] = 1;
  }
  if (ties === 0) return;
  const equal = scratch.members.subarray(0, tied);
  if (tieScores === undefined) {
    for (let i = 0; i < ties; i++) marks[equal[i]] = 1;
  } else {
    const copy = scratch.ties.subarray(0, tied);
    copy.set(equal);
    markTop(tieScores, copy, ties, marks, scratch);
  }
}

interface Threshold {
  /** Scores above this are chosen. */
  readonly key: number;
  /** How many of the scores equal to `key` are chosen as well. */
  readonly ties: number;
  /** How many scores equal `key`: their positions lead `scratch.members`, ascending. */
  readonly tied: number;
}

function findThreshold(bits: Uint32Array, among: Int32Array, count: number, scratch: Scratch): Threshold {
  const { counts, members } = scratch;
  let source = among;
  let length = among.length;
  let wanted = count;
  let key = 0;
  for (const { shift, mask } of digits) {
    counts.fill(0);
    for (let i = 0; i < length; i++) counts[(bits[source[i]] >>> shift) & mask]++;
    let bin = bins - 1;
    while (counts[bin] < wanted) wanted -= counts[bin--];
    key |= bin << shift;
    if (counts[bin] === wanted) return { key: key - 1, ties: 0, tied: 0 };
    let next = 0;
    for (let i = 0; i < length; i++) {
      const position = source[i];
      if (((bits[position] >>> shift) & mask) === bin) members[next++] = position;
    }
    source = members;
    length = next;
  }
  return { key, ties: wanted, tied: length };
}
