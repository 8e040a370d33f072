import { describe, expect, it } from 'vitest';
import { recordedSpan, withSpan } from './spans.js';
import { currentTraceparent, spanContextOf, traceparentOf, withTraceparent } from './traceparent.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const SPAN = 'b7ad6b7169203331';

describe('a traceparent', () => {
  it.each([
    [`00-${TRACE}-${SPAN}-01`, 1, `00-${TRACE}-${SPAN}-01`],
    [`00-${TRACE}-${SPAN}-00`, 0, `00-${TRACE}-${SPAN}-00`],
    [`cc-${TRACE}-${SPAN}-03-later`, 1, `00-${TRACE}-${SPAN}-01`],
  ])('%s goes there and back', (traceparent, traceFlags, back) => {
    const spanContext = spanContextOf(traceparent);
    expect(spanContext).toEqual({ traceId: TRACE, spanId: SPAN, traceFlags, isRemote: true });
    expect(traceparentOf(spanContext)).toBe(back);
  });

  it.each([
    undefined,
    '',
    `ff-${TRACE}-${SPAN}-01`,
    `00-${'0'.repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}-01x`,
    `00-${TRACE}-${SPAN}`,
  ])('%s is none', (traceparent) => {
    expect(spanContextOf(traceparent)).toBeUndefined();
    expect(withTraceparent(traceparent, () => 42)).toBe(42);
  });
});

describe('without an SDK', () => {
  it('work is done, its result and its error come through, and there is no trace', async () => {
    const traceparent = `00-${TRACE}-${SPAN}-01`;
    expect(await withSpan('expand', { parent: traceparent }, () => currentTraceparent())).toBeUndefined();
    const error = new Error('x');
    await expect(withSpan('expand', {}, () => Promise.reject(error))).rejects.toBe(error);
    expect(recordedSpan('evict', { startMs: 0, endMs: 1 })).toBeUndefined();
  });
});
