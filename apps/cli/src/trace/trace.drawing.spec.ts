import type { AnsweredTrace, FailedTrace } from '@madakv/contracts';
import { describe, expect, it } from 'vitest';
import { FakeApiServer } from '../api/fake.api.server.js';
import { captureRun } from '../captured.run.js';
import { keptDensity } from '@madakv/insight';
import { drawTrace } from './trace.drawing.js';

/** Two heads that keep the first tokens and the last one, of 40 text and 960 visual tokens. */
function sampleTrace(layers: number): AnsweredTrace {
  const positions = Buffer.alloc(125);
  positions.fill(0xff, 0, 12);
  positions[124] = 0x80;
  const at = 1_732_291_721_000;
  return {
    version: 1,
    id: 'batch_0123456789abcdef01234567_7',
    tenant: 'local',
    batchId: 'batch_0123456789abcdef01234567',
    customId: 'invoice-total',
    model: 'madakv-reader',
    createdAt: at / 1000,
    otelTraceId: '0af7651916cd43dd8448eb211c80319c',
    worker: 'host:4711',
    device: 'host:cpu',
    attempt: 2,
    warnings: [],
    error: null,
    images: Array.from({ length: 8 }, (_, page) => ({
      part: 'messages.0.content.0.file.of.a.long.name',
      page: page + 1,
      width: 1184,
      height: 1680,
      tokens: 120,
    })),
    cache: {
      policy: 'madakv',
      requestedRatio: 0.2,
      ratio: 0.15,
      protocol: 'replay',
      modalities: ['text', 'visual'],
      promptTokens: [40, 960],
      sharing: { requests: 1, sharedTokens: 0, cachedTokens: 0 },
      layers: Array.from({ length: layers }, (_, layer) => ({
        layer,
        budget: 200 - 100 * layer,
        demand: 1234.5,
        compensation: layer === 0 ? 12.34 : -8,
        rows: 160 - 60 * layer,
        kept: [
          [40, 120 - 60 * layer],
          [20, 140 - 60 * layer],
        ],
        preference: [
          [0.9, 0.1],
          [0.3, 0.7],
        ],
        positions: [positions.toString('base64'), positions.toString('base64')],
      })),
      bytes: { full: 4_096_000, peak: 2_500_000, afterEviction: 614_400, final: 620_000 },
    },
    lease: {
      leaseId: 'host:cpu/batch_0123456789abcdef01234567_7/42',
      deviceId: 'host:cpu',
      fencingToken: 42,
      requests: 1,
      grantedBytes: 614_400,
      events: [
        { atMs: at, event: 'waited', bytes: 0, detail: 'ROOM' },
        { atMs: at + 1500, event: 'granted', bytes: 2_500_000 },
        { atMs: at + 1910, event: 'released', bytes: 0 },
      ],
    },
    usage: { promptTokens: 1000, completionTokens: 5 },
    finishReason: 'stop',
    ms: {
      queuePrepare: 12,
      prepare: 310,
      queueGenerate: 4,
      lease: 1500,
      vision: 120,
      prefill: 240,
      observe: 8,
      evict: 6,
      firstToken: 380,
      decode: 60,
      total: 2300,
    },
  };
}

/** The same request, when no device could hold it. */
function sampleFailure(changes: Partial<FailedTrace> = {}): FailedTrace {
  const { images, ms, ...trace } = sampleTrace(0);
  const message = 'the request needs at least 614400 bytes of key-value cache; the largest device, gpu-1, has 1000';
  return {
    ...trace,
    device: null,
    error: { stage: 'generate', code: 'exceeds_device_memory', message, param: null, reason: null },
    prompt: { tokens: { text: 40, visual: 960 }, fullBytes: 4_096_000, requestedRatio: 0.2 },
    images: images.map((image) => ({ ...image, tokens: null })),
    cache: null,
    lease: null,
    usage: null,
    finishReason: null,
    ms: { ...ms, vision: null, prefill: null, observe: null, evict: null, firstToken: null, decode: null, total: 1900 },
    ...changes,
  };
}

describe('drawTrace', () => {
  const text = drawTrace(sampleTrace(2), false);

  it('fits 80 columns, without colour', () => {
    expect(text.split('\n').filter((line) => Array.from(line).length > 80)).toEqual([]);
    expect(text).not.toContain('\x1b');
  });

  it('draws a line a layer: figures, rows kept by modality up to the budget, preference by head', () => {
    expect(text).toContain('    0     200   1,235   +12.3    160  ███▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒····  ▁▆ 40.0 %\n');
    expect(text).toContain('    1     100   1,235      -8    100  ███▒▒▒▒▒▒▒▒             ▁▆ 40.0 %\n');
  });

  it('says how much of the attention fell on kept rows, where the policy was measured by it', () => {
    const trace = sampleTrace(2);
    const [first, ...others] = trace.cache.layers;
    const layers = [
      { ...first, attentionKept: [0.9, 0.953] },
      ...others.map((layer) => ({ ...layer, attentionKept: [1, 1] })),
    ];
    const drawn = drawTrace({ ...trace, cache: { ...trace.cache, layers } }, false);
    expect(drawn).toContain('    0     200   1,235   +12.3    160  93 %  ');
    expect(drawn).toContain('    1     100   1,235      -8    100 100 %  ');
    expect(drawn).toContain('attn.: attention kept\n');
    expect(drawn.split('\n').filter((line) => Array.from(line).length > 80)).toEqual([]);
    expect(text).not.toContain('attn.');
  });

  it('says what was tried before, and why it came to nothing', () => {
    const entry = {
      kind: 'attempt' as const,
      stage: 'generate' as const,
      worker: 'w',
      fromMs: 400,
      untilMs: 900,
      times: 1,
    };
    const drawn = drawTrace(
      {
        ...sampleTrace(1),
        timeline: [
          { ...entry, stage: 'prepare', what: 'prepared', fromMs: 12, untilMs: 322 },
          { ...entry, what: 'storage_unavailable', times: 2 },
          { ...entry, what: 'worker_lost', worker: null, fromMs: 950, untilMs: null },
          { ...entry, what: 'answered', fromMs: 1000, untilMs: 2300 },
        ],
      },
      false,
    );
    expect(drawn).toContain(
      '  tried at    +400 ms  generate: storage_unavailable (2 times) at w, ended after 500 ms\n',
    );
    expect(drawn).toContain('  tried at    +950 ms  generate: worker_lost\n');
    expect(drawn).not.toContain('prepared');
    expect(text).not.toContain('tried');
  });

  it('says what was asked for, granted, kept, and over which pages', () => {
    expect(text).toMatch(/^batch_0123456789abcdef01234567_7 {3}madakv-reader {3}2024-11-22 16:08:41 UTC\n/);
    expect(text).toContain('policy   madakv, 15.0 % of the cache granted (20.0 % asked for), replay protocol\n');
    expect(text).toContain('kept   ██████                                      600 KiB    15.0 %\n');
    expect(text).toContain('and 2 more images\n');
    expect(text).toContain('line "invoice-total" of batch_0123456789abcdef01234567\n');
    expect(text).toContain('worker host:4711, device host:cpu, attempt 2\n');
  });

  it.each([
    [
      { requests: 3, sharedTokens: 900, cachedTokens: 900 },
      'with 2 more: the first 900 tokens, 900 not read again for this one',
    ],
    [{ requests: 3, sharedTokens: 900, cachedTokens: 0 }, 'with 2 more: the first 900 tokens, read here'],
    [
      { requests: 1, cachedTokens: 800, residentTokens: 800, reason: 'resident' },
      'the first 800 tokens, read for an earlier question',
    ],
    [{ requests: 1, reason: 'nothing_alike', alikeTokens: 14 }, 'nothing: others begin like it for 14 tokens at most'],
    [{ requests: 1, reason: 'observes_all' }, 'nothing: its policy watches the whole prompt'],
  ])('says what was shared, and else why nothing was: %j', (sharing, line) => {
    const trace = sampleTrace(1);
    const drawn = drawTrace(
      { ...trace, cache: { ...trace.cache, sharing: { sharedTokens: 0, cachedTokens: 0, ...sharing } } },
      false,
    );
    expect(drawn.replaceAll(/\n {9}/g, ' ')).toContain(`shared   ${line}`);
    expect(drawn.split('\n').filter((each) => Array.from(each).length > 80)).toEqual([]);
  });

  it('draws steps one after the other, and the lease', () => {
    const steps = text.split('\n').filter((line) => /^ {2}(lease|prefill) /.test(line));
    expect(steps.map((line) => line.indexOf('█'))).toEqual([28, 52]);
    expect(text).toContain('      +1.5 s  granted    2.38 MiB\n');
    expect(text).toContain('     +0.0 ms  waited          0 B  ROOM\n');
  });

  it('tells what the answer warns of', () => {
    const message = 'page 2: 14 characters are in a font that the document does not hold and that could not be drawn';
    const warned = {
      ...sampleTrace(2),
      warnings: [{ code: 'text_not_drawn', message, param: 'messages.0.content.0' }],
    };
    expect(drawTrace(warned, false)).toContain(
      'warning  text_not_drawn: page 2: 14 characters are in a font that the document\n         does not hold and that could not be drawn\n',
    );
    expect(text).not.toContain('warning');
  });

  it('colours parts on a terminal', () => {
    expect(drawTrace(sampleTrace(1), true)).toContain('\x1b[36m███\x1b[0m\x1b[33m███████████████\x1b[0m····');
  });

  it('has something to say about a request whose cache was not traced', () => {
    expect(drawTrace(sampleTrace(0), false)).not.toContain('Layers');
  });
});

describe('drawTrace of a failed request', () => {
  it('says why it failed, what it asked, and how long it took, in 80 columns', () => {
    const text = drawTrace(sampleFailure(), false);
    expect(text.split('\n').filter((line) => Array.from(line).length > 80)).toEqual([]);
    expect(text).toContain('\nworker host:4711, attempt 2\n');
    expect(text).toContain(
      'failed   in generate: exceeds_device_memory\n' +
        '         the request needs at least 614400 bytes of key-value cache; the largest\n' +
        '         device, gpu-1, has 1000\n' +
        'prompt   1,000 tokens: █ 40 text  ▒ 960 visual\n',
    );
    expect(text).toContain('1184×1680\n');
    expect(text).toContain('cache    20.0 % of 3.91 MiB asked for\n');
    expect(text).toContain('Time: 1.9 s until it failed\n');
    expect(text).toMatch(/^ {2}lease .*1\.5 s$/m);
    expect(text).not.toMatch(/^ {2}(prefill|decode)|^Lease/m);
  });

  it('draws the lease that it had', () => {
    const { lease, device } = sampleTrace(0);
    const text = drawTrace(sampleFailure({ lease, device }), false);
    expect(text).toContain('worker host:4711, device host:cpu, attempt 2\n');
    expect(text).toContain('      +1.5 s  granted    2.38 MiB\n');
  });

  it('has something to say about one that was refused before it had a prompt', () => {
    const error = {
      stage: 'prepare' as const,
      code: 'invalid_document',
      message: `https://docs.test/${'x'.repeat(100)}.pdf is encrypted`,
      param: 'messages.0.content.0.file',
      reason: 'encrypted_pdf',
    };
    const text = drawTrace(sampleFailure({ error, prompt: null, images: [] }), false);
    expect(text).toContain(
      'failed   in prepare: invalid_document (encrypted_pdf)\n         messages.0.content.0.file\n',
    );
    expect(text.split('\n').filter((line) => Array.from(line).length > 80)).toEqual([]);
    expect(text).not.toMatch(/^(prompt|cache)/m);
  });
});

it('keptDensity counts heads and layers at each place', () => {
  const of = (...tokens: number[]): string => {
    const bits = Buffer.alloc(2);
    for (const token of tokens) bits[token >> 3] |= 1 << (token & 7);
    return bits.toString('base64');
  };
  const [layer] = sampleTrace(1).cache.layers;
  const layers = [
    { ...layer, positions: [of(0, 1, 9), of(0)] },
    { ...layer, positions: [of(0, 8, 9), of(9)] },
  ];
  expect(keptDensity(layers, 10, 5)).toEqual([4 / 8, 0, 0, 0, 4 / 8]);
  expect(keptDensity(layers, 10, 64)).toHaveLength(10);
  expect(keptDensity([], 0, 64)).toEqual([]);
});

describe('madakv trace', () => {
  it('draws or prints what the server has', async () => {
    const server = new FakeApiServer();
    const url = await server.start();
    for (const trace of [sampleTrace(2), sampleFailure()]) {
      server.traces.set(trace.id, trace);
      const drawn = await captureRun(['trace', trace.id, '--url', url]);
      expect(drawn).toEqual({ code: 0, stdout: drawTrace(trace, false), stderr: '' });
      const printed = await captureRun(['trace', trace.id, '--url', url, '--json']);
      expect(JSON.parse(printed.stdout)).toEqual(trace);
    }
    expect(await captureRun(['trace', 'chatcmpl-x', '--url', url])).toMatchObject({
      code: 1,
      stderr: 'madakv: no request chatcmpl-x (404 not_found)\n',
    });
    await server.stop();
  });
});
