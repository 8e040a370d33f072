import type { BatchObject } from '@madakv/contracts';
import { describe, expect, it } from 'vitest';
import { batchFigures } from './batch.figures.js';

function batch(given: Partial<BatchObject>): BatchObject {
  return {
    id: 'batch_1',
    object: 'batch',
    endpoint: '/v1/chat/completions',
    input_file_id: 'file-1',
    completion_window: '24h',
    status: 'validating',
    created_at: 1_000,
    request_counts: { total: 0, completed: 0, failed: 0 },
    metadata: null,
    ...given,
  };
}

describe('batchFigures', () => {
  it('says nothing of the pace before a line has ended', () => {
    const running = batch({ status: 'in_progress', in_progress_at: 1_010 });
    running.request_counts.total = 60;
    expect(batchFigures(running, undefined, 1_050)).toEqual({
      full_bytes: 0,
      kept_bytes: 0,
      phases: [
        { name: 'validating', started_at: 1_000, ended_at: 1_010 },
        { name: 'in_progress', started_at: 1_010, ended_at: null },
      ],
      lines_per_minute: null,
      eta_at: null,
    });
  });

  it('expects the rest at the pace of what has ended, failed lines among it', () => {
    const request_counts = { total: 60, completed: 18, failed: 2 };
    const running = batch({ status: 'in_progress', in_progress_at: 1_010, request_counts });
    const figures = batchFigures(running, { fullBytes: 100, keptBytes: 20 }, 1_050);
    expect(figures).toMatchObject({ full_bytes: 100, kept_bytes: 20, lines_per_minute: 30, eta_at: 1_130 });
    // Nothing has ended within the second in which it began.
    expect(batchFigures(running, undefined, 1_010)).toMatchObject({ lines_per_minute: 1_200, eta_at: 1_012 });
  });

  it.each([
    [{ status: 'completed', finalizing_at: 1_070, completed_at: 1_075 }, 1_075],
    [{ status: 'cancelled', cancelling_at: 1_070, cancelled_at: 1_080 }, 1_080],
  ] as const)('of a batch that has ended is as it was: %j', (given, end) => {
    const request_counts = { total: 20, completed: 20, failed: 0 };
    const figures = batchFigures(batch({ in_progress_at: 1_010, request_counts, ...given }), undefined, 9_999);
    expect(figures.eta_at).toBeNull();
    expect(figures.phases?.at(-1)).toMatchObject({ started_at: 1_070, ended_at: end });
    expect(figures.lines_per_minute).toBe(given.status === 'completed' ? 20 : 17.1);
  });
});
