/** Where a request came from. */
export interface RequestSource {
  /** For messages: a file, with the line where it has many requests. */
  readonly name: string;
  /** Folder that relative image paths start from. */
  readonly folder: string;
}
