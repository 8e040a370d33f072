import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { plainPdf, slowPdf } from '../testing/pdf.samples.js';
import { rasterEntry } from './raster.entry.js';
import { RasterProcess } from './raster.process.js';

// Processes start slowly on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

const OPEN = { type: 'open', maxDocumentPages: 10, memoryBytes: 1024 ** 3 } as const;
const RULES = { dpi: 140, maxPixels: 12_000_000, maxSide: 65_500, multipleOf: 1 };
const PAGE = { type: 'page', page: 1, rules: RULES, format: 'png' } as const;
const LIMITS = { timeoutMs: 20_000, doing: 'testing' };

const started: RasterProcess[] = [];
async function start(): Promise<RasterProcess> {
  const process = await RasterProcess.start();
  started.push(process);
  return process;
}
afterEach(() => {
  for (const process of started.splice(0)) process.kill();
});

function alive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe('RasterProcess', () => {
  it('draws one document after the other in one process', async () => {
    const raster = await start();
    for (const pages of [1, 2]) {
      const opened = await raster.request({ ...OPEN, bytes: plainPdf(pages) }, 'opened', LIMITS);
      expect(opened).toMatchObject({ pageCount: pages, missing: [], warnings: [] });
      const page = await raster.request(PAGE, 'page', LIMITS);
      expect(page).toMatchObject({ width: 1190, height: 1540, dpi: 140, warnings: [] });
      expect(page.bytes.length).toBeGreaterThan(1000);
      await raster.request({ type: 'close' }, 'closed', LIMITS);
    }
  });

  it('says how it ended when something else ends it in the middle', async () => {
    const raster = await start();
    await raster.request({ ...OPEN, bytes: slowPdf() }, 'opened', LIMITS);
    const drawing = raster.request(PAGE, 'page', LIMITS);
    setTimeout(() => process.kill(raster.pid ?? 0, 'SIGKILL'), 200);
    await expect(drawing).rejects.toMatchObject({
      code: 'raster_crashed',
      retryable: true,
      message: 'the rasterising process was ended by SIGKILL, as a system does that is short of memory',
    });
    expect(raster.alive).toBe(false);
    await expect(raster.request(PAGE, 'page', LIMITS)).rejects.toMatchObject({ code: 'raster_crashed' });
  });

  it('refuses a page when no document is open', async () => {
    const raster = await start();
    await expect(raster.request(PAGE, 'page', LIMITS)).rejects.toThrow('rasterising stopped: no document is open');
  });

  it('ends with its parent, whatever it is drawing', async () => {
    // A parent that does what RasterProcess does, and is then killed.
    const script = `
      const { fork } = require('node:child_process');
      const child = fork(${JSON.stringify(fileURLToPath(rasterEntry()))}, { serialization: 'advanced' });
      const bytes = Buffer.from(${JSON.stringify(slowPdf().toString('base64'))}, 'base64');
      child.on('message', ({ type }) => {
        if (type === 'ready') child.send({ ...${JSON.stringify(OPEN)}, bytes });
        if (type === 'opened') child.send(${JSON.stringify(PAGE)});
        if (type === 'opened') setTimeout(() => console.log(child.pid), 200);
      });`;
    const parent = spawn(process.execPath, ['-']);
    parent.stdin.end(script);
    const [output] = (await once(parent.stdout, 'data')) as [Buffer];
    expect(alive(Number(output.toString()))).toBe(true);
    const before = performance.now();
    parent.kill('SIGKILL');
    // The process holds the same pipe: it closes when both are gone.
    await once(parent, 'close');
    // Well before the drawing would end by itself, on a busy machine too.
    expect(performance.now() - before).toBeLessThan(10_000);
  });
});
