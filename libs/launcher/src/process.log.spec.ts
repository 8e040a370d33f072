import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, type WriteStream } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ProcessLog } from './process.log.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'madakv-log-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('ProcessLog', () => {
  it('keeps the log of the run before', async () => {
    const path = join(folder, 'a.log');
    for (const word of ['first', 'second', 'third']) {
      const log = new ProcessLog(path, vi.fn());
      log.write(word);
      await log.end();
    }
    expect([readFileSync(path, 'utf8'), readFileSync(`${path}.1`, 'utf8')]).toEqual(['third\n', 'second\n']);
  });

  it('begins anew when it is too large, and loses no line that is new', async () => {
    const [path, lost] = [join(folder, 'a.log'), vi.fn()];
    const log = new ProcessLog(path, lost, 30);
    const lines = Array.from({ length: 10 }, (_, i) => `the line ${i}`);
    for (const line of lines) log.write(line);
    await log.end();
    expect(lost).not.toHaveBeenCalled();
    await vi.waitFor(
      () => {
        expect(readFileSync(`${path}.1`, 'utf8')).toBe('the line 6\nthe line 7\n');
      },
      { timeout: 30_000 },
    );
    expect(readFileSync(path, 'utf8')).toBe('the line 8\nthe line 9\n');
    expect(existsSync(`${path}.2`)).toBe(false);
  });

  it('is given up where it cannot be written, and says so once', async () => {
    const lost = vi.fn();
    const log = new ProcessLog(join(folder, 'missing', 'a.log'), lost);
    log.write('a line');
    expect(String(lost.mock.calls[0])).toContain('ENOENT');
    log.write('another');
    await log.end();
    expect(lost).toHaveBeenCalledOnce();
  });

  it('is given up where a disk is full', async () => {
    const lost = vi.fn();
    const log = new ProcessLog(join(folder, 'a.log'), lost);
    const stream = Reflect.get(log, 'stream') as WriteStream;
    stream.destroy(new Error('ENOSPC: no space left on device'));
    await vi.waitFor(
      () => {
        expect(lost).toHaveBeenCalledExactlyOnceWith('ENOSPC: no space left on device');
      },
      { timeout: 30_000 },
    );
    log.write('a line');
    await log.end();
  });

  it('is given up where the one before cannot be kept', async () => {
    const [path, lost] = [join(folder, 'a.log'), vi.fn()];
    mkdirSync(join(`${path}.1`, 'taken'), { recursive: true });
    const log = new ProcessLog(path, lost, 10);
    log.write('a line');
    log.write('another');
    expect(lost).toHaveBeenCalledOnce();
    await log.end();
    await vi.waitFor(
      () => {
        expect(readFileSync(path, 'utf8')).toBe('a line\n');
      },
      { timeout: 30_000 },
    );
  });
});
