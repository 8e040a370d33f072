import { Tensor } from 'onnxruntime-node';
import { beforeEach, describe, expect, it } from 'vitest';
import { release, TensorScope, viewOf } from './tensor.scope.js';

let freed: string[];
beforeEach(() => {
  freed = [];
});

/** A tensor as a GPU provider returns it, with nothing behind it. */
function onDevice(name: string): Tensor {
  const buffer = {} as Parameters<typeof Tensor.fromGpuBuffer>[0];
  return Tensor.fromGpuBuffer(buffer, { dataType: 'float32', dims: [2, 3], dispose: () => freed.push(name) });
}

const onHost = (): Tensor => new Tensor('float32', new Float32Array(6), [2, 3]);

describe('TensorScope', () => {
  it('frees what it holds when it closes, once', () => {
    const scope = new TensorScope();
    const { a, b } = scope.holdAll({ a: onDevice('a'), b: onDevice('b') });
    scope.hold(a);
    scope.close();
    scope.close();
    expect(freed).toEqual(['a', 'b']);
    expect(b.location).toBe('none');
  });

  it('frees all but what the next run needs', () => {
    const scope = new TensorScope();
    scope.holdAll({ a: onDevice('a'), b: onDevice('b') });
    const next = scope.holdAll({ c: onDevice('c') });
    scope.keepOnly(next);
    expect(freed).toEqual(['a', 'b']);
    scope.close();
    expect(freed).toEqual(['a', 'b', 'c']);
  });

  it('leaves tensors in JavaScript’s memory alone', () => {
    const tensor = onHost();
    const scope = new TensorScope();
    scope.hold(tensor);
    scope.close();
    release(tensor);
    expect(tensor.data).toHaveLength(6);
  });
});

describe('viewOf', () => {
  it('shares the memory and does not own it', () => {
    const host = onHost();
    expect(viewOf(host, [6]).data).toBe(host.data);
    const device = onDevice('a');
    const view = viewOf(device, [3, 2]);
    expect(view.dims).toEqual([3, 2]);
    release(view);
    expect(freed).toEqual([]);
  });
});
