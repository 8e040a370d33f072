import { LineRefusalSchema, storeKeys, type BatchRecord } from '@madakv/contracts';
import type { FileRepository, Records } from '@madakv/records';
import { scanLines, type FileStore } from '@madakv/storage';
import { z } from 'zod';
import type { BatchInput } from './batch.input.js';
import { checkedLines } from './checked.lines.js';
import { documentKey } from './document.key.js';
import { lineTokens } from './line.tokens.js';
import { SchemaFields } from './schema.fields.js';
import { UploadCache } from './upload.cache.js';

/** A row of the order, in bytes: the lines of a group, or why one cannot be run. */
const MAX_ROW_BYTES = 4 * 1_024 ** 2;

/** Line (from 1), first byte and length in the input file. */
const PlaceSchema = z.tuple([z.int().min(1), z.int().min(0), z.int().min(1)]);

const RowSchema = z.union([
  z.object({
    model: z.string(),
    lines: z.array(PlaceSchema).min(1),
    /** What each of the lines is taken for; absent in orders of earlier versions, which read those of this one, too. */
    tokens: z.array(z.int().min(0)).optional(),
  }),
  z.object({ line: z.int().min(1), refused: LineRefusalSchema }),
]);

/** Lines that are run together, in the order of the file; or one that cannot be run. */
export type OrderedRow = z.infer<typeof RowSchema> & {
  /** Where the next row begins, in bytes. */
  readonly next: number;
};
type Place = z.infer<typeof PlaceSchema>;

/** Lines about one document so far. */
interface Group {
  readonly model: string;
  readonly lines: Place[];
  readonly tokens: number[];
}

/**
 * Puts the lines of a batch in the order in which they are run: those about one document together, wherever they stand in the file.
 * The order is a file of its own, one row a group; making it takes some numbers a line, whatever the lines hold.
 */
export class BatchOrder {
  constructor(
    private readonly store: Pick<FileStore, 'get' | 'createWriter'>,
    private readonly files: Pick<FileRepository, 'findMany'>,
    private readonly models: Pick<Records['models'], 'list'>,
    private readonly input: BatchInput,
    /** Lines of a group at most. */
    private readonly most: number,
    private readonly schemas = new SchemaFields(),
  ) {}

  /**
   * Groups stand in the order of their first lines. Lines that cannot be run come before all.
   * @returns the key of the file, which is always the same
   */
  async write(record: BatchRecord, signal?: AbortSignal): Promise<string> {
    const key = storeKeys.order(record.object.id);
    const writer = this.store.createWriter(key);
    const put = (row: z.infer<typeof RowSchema>): Promise<void> => writer.write(`${JSON.stringify(row)}\n`);
    try {
      const groups = await this.group(record, (line, refused) => put({ line, refused }), signal);
      for (const group of groups) await put(group);
      await writer.commit();
    } catch (error) {
      await writer.abort();
      throw error;
    }
    return key;
  }

  /** @param byte where a row begins */
  async *rows(key: string, byte: number, signal?: AbortSignal): AsyncGenerator<OrderedRow, void, undefined> {
    const pieces = await this.store.get(key, { start: byte });
    try {
      for await (const { content, next } of scanLines(pieces, { byte, line: 1 }, MAX_ROW_BYTES)) {
        signal?.throwIfAborted();
        const row = RowSchema.parse(JSON.parse(content?.toString('utf8') ?? ''));
        yield { ...row, next: next.byte };
      }
    } finally {
      pieces.destroy();
    }
  }

  private async group(
    record: BatchRecord,
    refuse: (line: number, refusal: z.infer<typeof LineRefusalSchema>) => Promise<void>,
    signal: AbortSignal | undefined,
  ): Promise<Group[]> {
    const known = await this.models.list();
    const models = new Set(known.map(({ id }) => id));
    const uploads = new UploadCache(this.files, record.tenant);
    const tokensOf = lineTokens(known, uploads, this.schemas);
    const groups: Group[] = [];
    const open = new Map<string, Group>();
    const { maxLineBytes } = this.input;
    const lines = this.input.lines(record, record.cursor, signal);
    for await (const [line, checked] of checkedLines(lines, { models, maxLineBytes, uploads })) {
      if (checked.state === 'refused') {
        await refuse(line.line, checked);
        continue;
      }
      const { model, body } = checked;
      const tokens = await tokensOf(checked);
      const document = this.most > 1 ? await documentKey(body, (id) => uploads.digestOf(id)) : undefined;
      let group = document === undefined ? undefined : open.get(document);
      if (group === undefined) {
        group = { model, lines: [], tokens: [] };
        groups.push(group);
      }
      group.lines.push([line.line, line.start, line.length]);
      group.tokens.push(tokens);
      if (document === undefined) continue;
      if (group.lines.length < this.most) open.set(document, group);
      else open.delete(document);
    }
    return groups;
  }
}
