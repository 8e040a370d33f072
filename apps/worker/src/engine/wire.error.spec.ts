import { MadakvError } from '@madakv/contracts';
import { createPolicy, GrantTooSmallError } from '@madakv/madakv';
import { ImageError, PromptError } from '@madakv/models';
import { describe, expect, it } from 'vitest';
import { fromWire, toWire } from './wire.error.js';

const thrown = (work: () => unknown): unknown => {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
};

describe('an error between threads', () => {
  it('keeps its code, text and place', () => {
    const error = new MadakvError('invalid_document', 'page 3', { param: 'messages.0', reason: 'bad_image' });
    const copy = fromWire(structuredClone(toWire(error)));
    expect(copy).toBeInstanceOf(MadakvError);
    expect(copy).toMatchObject({ code: error.code, message: 'page 3', param: 'messages.0', reason: 'bad_image' });
  });

  it.each<[unknown, object]>([
    [new PromptError('template_refused', 'no'), { code: 'invalid_request', param: 'messages' }],
    [new ImageError('no'), { code: 'invalid_document', reason: 'bad_image' }],
    [new GrantTooSmallError('h2o', 1, 2, 3), { code: 'cache_ratio_too_small', param: 'madakv.cache_ratio' }],
    [thrown(() => createPolicy('x')), { code: 'invalid_request', param: 'madakv.policy' }],
    [thrown(() => createPolicy('full', { x: 1 })), { code: 'invalid_request', param: 'madakv.options' }],
    [thrown(() => new ArrayBuffer(2 ** 52)), { code: 'engine_crashed' }],
    [new Error('Failed to allocate memory for requested buffer of size 1'), { code: 'engine_crashed' }],
    [new Error('the device is lost'), { code: 'internal_error', message: 'the engine failed: the device is lost' }],
    ['text', { code: 'internal_error', message: 'the engine failed: text' }],
  ])('%s gets a code', (error, expected) => {
    expect(toWire(error)).toMatchObject(expected);
  });
});
