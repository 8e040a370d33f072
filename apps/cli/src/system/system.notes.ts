import { isRoutine, readableLine, type LogLine, type SystemNote } from '@madakv/launcher';
import type { CommandIo } from '../command.io.js';
import { StatusLine } from '../terminal/status.line.js';
import { formatMs } from '@madakv/insight';

const NAME_WIDTH = 10;

export interface NotesOptions {
  /** none: only what the system itself says; readable: short lines; json: lines as they come. */
  readonly logs: 'none' | 'readable' | 'json';
  /** Only what is being waited for, on a terminal, and what goes wrong. */
  readonly quiet?: boolean;
}

/** Shows on stderr how a system starts, what its processes log, and how it ends. */
export class SystemNotes {
  private readonly status: StatusLine;
  /** Since when a process starts or stops. */
  private readonly pending = new Map<string, number>();
  private readonly colour: boolean;

  constructor(
    io: Pick<CommandIo, 'stderr'>,
    private readonly options: NotesOptions,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.status = new StatusLine(io.stderr);
    this.colour = io.stderr.isTTY === true && (process.env['NO_COLOR'] ?? '') === '';
  }

  readonly onLine = (line: LogLine): void => {
    if (this.options.logs === 'none' || (this.options.logs === 'readable' && isRoutine(line))) return;
    this.status.line(this.options.logs === 'json' ? line.text : readableLine(line, this.colour));
  };

  readonly onNote = (note: SystemNote): void => {
    switch (note.kind) {
      case 'starting':
      case 'stopping':
        this.pending.set(note.process, this.now());
        break;
      case 'ready':
      case 'stopped':
        if (this.options.quiet !== true) this.say(note.process, `${note.kind}, ${this.waited(note.process)}`);
        this.pending.delete(note.process);
        break;
      case 'restarting':
        this.say(note.process, `${note.reason}; starts again in ${formatMs(note.pauseMs)}`);
    }
    const waited = [...this.pending.keys()];
    this.status.show(waited.length === 0 ? '' : `waiting for ${waited.join(', ')} ...`);
  };

  clear(): void {
    this.pending.clear();
    this.status.clear();
  }

  private waited(process: string): string {
    const now = this.now();
    return formatMs(now - (this.pending.get(process) ?? now));
  }

  private say(process: string, text: string): void {
    if (this.options.logs !== 'json') this.status.line(`${process.padEnd(NAME_WIDTH)}${text}`);
  }
}
