/** A place to write text to. */
export interface TextSink {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** All that a command has of the world around it. */
export interface CommandIo {
  readonly stdin: AsyncIterable<Uint8Array | string> & { readonly isTTY?: boolean };
  /** Answers and tables. */
  readonly stdout: TextSink;
  /** Progress, notes and errors. */
  readonly stderr: TextSink;
  /** Folder that relative paths start from. */
  readonly cwd: string;
  /** Aborted when the command has to stop. */
  readonly signal: AbortSignal;
}
