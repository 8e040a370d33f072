import type { TextSink } from '../../command.io.js';
import { bar } from '../../terminal/text.table.js';
import { formatCount, formatMs } from '@madakv/insight';

const BAR_WIDTH = 24;
const REDRAW_MS = 100;
const LINE_EVERY_MS = 10_000;

/** Progress of a run: a bar that redraws itself on a terminal, a line now and then elsewhere. */
export class RunProgress {
  private readonly startedAt: number;
  private shownAt: number;
  private done: number;
  private drawn = false;

  /** @param before answers of earlier runs: they count as done, not for the rate */
  constructor(
    private readonly sink: TextSink,
    private readonly total: number,
    private readonly before: number,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.startedAt = now();
    this.shownAt = this.startedAt;
    this.done = before;
  }

  advance(answers: number, note: string): void {
    this.done += answers;
    const now = this.now();
    const terminal = this.sink.isTTY === true;
    if (now - this.shownAt < (terminal ? REDRAW_MS : LINE_EVERY_MS)) return;
    this.shownAt = now;
    const figures = this.figures(now);
    if (!terminal) {
      this.sink.write(`${figures}, ${note}\n`);
      return;
    }
    const filled = bar(this.done / this.total, BAR_WIDTH).padEnd(BAR_WIDTH, '·');
    this.sink.write(`\r\x1b[K${filled} ${figures}, ${note}`);
    this.drawn = true;
  }

  /** Wipes the bar off the terminal. */
  clear(): void {
    if (this.drawn) this.sink.write('\r\x1b[K');
    this.drawn = false;
  }

  private figures(now: number): string {
    const perMs = (this.done - this.before) / Math.max(1, now - this.startedAt);
    const left = perMs === 0 ? '' : `, ${formatMs((this.total - this.done) / perMs)} left`;
    return `${formatCount(this.done)}/${formatCount(this.total)} answers, ${(1000 * perMs).toFixed(1)}/s${left}`;
  }
}
