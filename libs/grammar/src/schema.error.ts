/** Keys that lead from a schema's root to what a complaint is about. */
export type SchemaPath = readonly string[];

/** A schema that cannot be honoured, or contradicts itself. Its message names the keyword and quotes no value. */
export class SchemaError extends Error {
  override readonly name = 'SchemaError';

  constructor(
    readonly path: SchemaPath,
    message: string,
  ) {
    super(message);
  }
}
