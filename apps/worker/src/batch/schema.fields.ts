import { fieldTokens } from '@madakv/contracts';
import { createHash } from 'node:crypto';
import { RecentMap } from './recent.map.js';

/** Schemas that are remembered: the lines of a batch rarely have more. */
const MOST = 64;

/** What the fields of extractions are taken for, by their schemas. Compiling one may take a tenth of a second, and lines share them. */
export class SchemaFields {
  private readonly known = new RecentMap<string, readonly number[] | undefined>(MOST);

  constructor(private readonly compile = fieldTokens) {}

  /** @returns most tokens of the answer to each field; undefined for a schema that is refused where it is checked */
  of(schema: unknown): readonly number[] | undefined {
    const digest = createHash('sha256')
      .update(JSON.stringify([schema]))
      .digest('base64');
    if (this.known.has(digest)) return this.known.get(digest);
    const fields = this.compile(schema);
    this.known.set(digest, fields);
    return fields;
  }
}
