import { expect, it, vi } from 'vitest';
import { ModelHeartbeat } from './model.heartbeat.js';

const MODEL = { id: 'reader', family: 'qwen2_5_vl', maxPositions: 9, kvBytesPerToken: 8 };

it('says how the cache is kept once an engine is there, and at once', async () => {
  const announce = vi.fn(() => Promise.resolve());
  const heartbeat = new ModelHeartbeat({ announce }, MODEL, () => expect.unreachable());
  await heartbeat.onApplicationBootstrap();
  // What others have announced must not be overwritten by what is not known.
  expect(announce.mock.calls).toEqual([[expect.not.objectContaining({ kv: expect.anything() as unknown })]]);
  const kv = { precision: 'fp16', onDevice: true } as const;
  heartbeat.keeps(kv);
  expect(announce).toHaveBeenLastCalledWith(expect.objectContaining({ ...MODEL, kv }));
  heartbeat.close();
});
