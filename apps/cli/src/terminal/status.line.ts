import type { TextSink } from '../command.io.js';

/** A line at the end of the output that redraws itself below all others. Elsewhere than on a terminal it is not shown. */
export class StatusLine {
  private text = '';

  constructor(private readonly sink: TextSink) {}

  /** Writes a whole line above the status. */
  line(text: string): void {
    this.wipe();
    this.sink.write(`${text}\n`);
    this.draw();
  }

  show(text: string): void {
    this.wipe();
    this.text = text;
    this.draw();
  }

  clear(): void {
    this.show('');
  }

  private draw(): void {
    if (this.sink.isTTY !== true || this.text === '') return;
    // Some terminals do not know their width and say 0.
    const columns = this.sink.columns === undefined || this.sink.columns === 0 ? 80 : this.sink.columns;
    // One column stays free: a full line would wrap, and only its end be wiped.
    this.sink.write(this.text.slice(0, columns - 1));
  }

  private wipe(): void {
    if (this.sink.isTTY === true && this.text !== '') this.sink.write('\r\x1b[K');
  }
}
