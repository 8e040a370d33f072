import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { FakeApiServer } from '../api/fake.api.server.js';
import { captureRun, type CapturedRun, type RunSettings } from '../captured.run.js';

/** A folder to work in and a fake server to ask; for tests. */
export class RunFixture {
  readonly server = new FakeApiServer();
  readonly folder = mkdtempSync(join(tmpdir(), 'madakv-batch-'));

  /** With three documents in `docs`, two of them equal. */
  static async start(): Promise<RunFixture> {
    const fixture = new RunFixture();
    await fixture.server.start();
    fixture.write('docs/a.pdf', 'one document');
    fixture.write('docs/b.pdf', 'another document');
    fixture.write('docs/copy.pdf', 'one document');
    return fixture;
  }

  async stop(): Promise<void> {
    await this.server.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  write(name: string, content: string | Uint8Array): void {
    mkdirSync(dirname(this.path(name)), { recursive: true });
    writeFileSync(this.path(name), content);
  }

  read(name: string): string {
    return readFileSync(this.path(name), 'utf8');
  }

  has(name: string): boolean {
    return existsSync(this.path(name));
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  /** JSON objects of a file of results. */
  rows(name: string): Record<string, unknown>[] {
    const lines = this.read(name).trim().split('\n');
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  /** Runs the command against the server. */
  madakv(...args: string[]): Promise<CapturedRun> {
    return this.run(args);
  }

  run(args: readonly string[], settings: RunSettings = {}): Promise<CapturedRun> {
    const access = ['--url', this.server.url, '--api-key', 'mk-1', '--data', this.path('data')];
    return captureRun([...args, ...access], { cwd: this.folder, ...settings });
  }

  /** Starts a run and stops it when its batch has been looked at. */
  async interrupted(...args: string[]): Promise<CapturedRun> {
    const stop = new AbortController();
    this.server.looksUntilDone = Infinity;
    const running = this.run(args, { signal: stop.signal });
    while (!(this.server.calls.at(-1) ?? '').includes('GET /v1/batches/batch_')) await pause(5);
    stop.abort(new Error('told to stop'));
    const captured = await running;
    this.server.looksUntilDone = 1;
    return captured;
  }

  /** Documents that the server was sent, as often as it was. */
  sentDocuments(): string[] {
    return this.server.uploads.filter(({ purpose }) => purpose === 'user_data').map(({ filename }) => filename);
  }
}

/** A line of a batch's input. */
export function requestLine(custom_id: string, body: object = {}): string {
  return JSON.stringify({
    custom_id,
    method: 'POST',
    url: '/v1/chat/completions',
    body: { model: 'fake-reader', messages: [{ role: 'user', content: `q ${custom_id}` }], ...body },
  });
}
