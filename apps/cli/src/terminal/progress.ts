import type { TextSink } from '../command.io.js';
import { bar } from './text.table.js';
import { formatMs } from '@madakv/insight';

const BAR_WIDTH = 30;
/** What is over sooner needs no progress. */
const QUIET_MS = 700;
const REDRAW_MS = 80;
const LINE_EVERY_MS = 10_000;

/**
 * Progress of long work: a bar that redraws itself on a terminal, now and then a line elsewhere. Work that is over soon
 * shows nothing.
 */
export class Progress {
  private readonly startedAt: number;
  private shownAt: number;
  private drawn = false;

  constructor(
    private readonly sink: TextSink,
    private readonly label: string,
    private readonly now: () => number = () => performance.now(),
    /** How counts are written. */
    private readonly format: (count: number) => string = String,
  ) {
    this.startedAt = now();
    this.shownAt = this.startedAt - LINE_EVERY_MS;
  }

  update(done: number, total: number): void {
    const now = this.now();
    if (now - this.startedAt < QUIET_MS) return;
    const terminal = this.sink.isTTY === true;
    const last = done >= total;
    if (now - this.shownAt < (terminal ? REDRAW_MS : LINE_EVERY_MS) && !last) return;
    this.shownAt = now;
    const elapsed = formatMs(now - this.startedAt);
    if (terminal) {
      const filled = bar(done / total, BAR_WIDTH).padEnd(BAR_WIDTH, '·');
      this.sink.write(`\r\x1b[K${this.label} ${filled} ${this.format(done)}/${this.format(total)} ${elapsed}`);
      this.drawn = true;
    } else {
      this.sink.write(`${this.label}: ${this.format(done)} of ${this.format(total)}, ${elapsed}\n`);
    }
  }

  /** Wipes the bar off the terminal. */
  clear(): void {
    if (this.drawn) this.sink.write('\r\x1b[K');
    this.drawn = false;
  }
}
