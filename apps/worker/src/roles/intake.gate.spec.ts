import { describe, expect, it } from 'vitest';
import { IntakeGate } from './intake.gate.js';

class FakeWorker {
  readonly calls: string[] = [];

  pause(): Promise<void> {
    this.calls.push('pause');
    return Promise.resolve();
  }

  resume(): Promise<void> {
    this.calls.push('resume');
    return Promise.resolve();
  }
}

const turns = () => new Promise(setImmediate);

describe('IntakeGate', () => {
  it('is open while there is no reason against it', async () => {
    const worker = new FakeWorker();
    const gate = new IntakeGate(['engine'], () => undefined);
    gate.attach(worker);
    await turns();
    expect(worker.calls).toEqual(['pause']);
    gate.set('budget', true);
    gate.set('engine', false);
    await turns();
    expect(gate.reasons).toEqual(['budget']);
    expect(worker.calls).not.toContain('resume');
    gate.set('budget', false);
    await turns();
    expect(worker.calls.at(-1)).toBe('resume');
  });

  it('opens for a worker that comes when nothing is against it, and says nothing twice', async () => {
    const worker = new FakeWorker();
    const gate = new IntakeGate([], () => undefined);
    gate.attach(worker);
    gate.set('budget', false);
    await turns();
    expect(worker.calls).toEqual(['resume']);
  });

  it('goes on after a change that failed', async () => {
    const errors: unknown[] = [];
    const gate = new IntakeGate([], (error) => errors.push(error));
    const worker = new FakeWorker();
    let fails = true;
    gate.attach({
      pause: () => (fails ? Promise.reject(new Error('away')) : worker.pause()),
      resume: () => worker.resume(),
    });
    await turns();
    gate.set('budget', true);
    await turns();
    fails = false;
    gate.set('budget', false);
    await turns();
    expect(errors).toHaveLength(1);
    expect(worker.calls.at(-1)).toBe('resume');
  });
});
