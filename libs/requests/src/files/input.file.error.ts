/**
 * A file that the caller gave, or one that a request in it names, cannot be used as it is. The message names the file, with line and
 * key where there is one.
 */
export class InputFileError extends Error {
  override readonly name = 'InputFileError';
}
