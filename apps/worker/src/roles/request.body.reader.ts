import { text } from 'node:stream/consumers';
import {
  BatchLineSchema,
  checkChatRequest,
  MadakvError,
  parseChatRequest,
  parseJson,
  type BodySource,
  type ChatRequest,
} from '@madakv/contracts';
import type { FileStore } from '@madakv/storage';

/** A request as its caller sent it. */
export interface GivenRequest {
  /** Name that the caller gave it; null for a chat completion. */
  readonly customId: string | null;
  /** @throws MadakvError `invalid_json`, `invalid_request` */
  readonly body: () => ChatRequest;
}

/** Reads bodies of requests from where they lie. */
export class RequestBodyReader {
  constructor(private readonly store: Pick<FileStore, 'get'>) {}

  /** @throws StorageError; MadakvError `invalid_json`, `invalid_request` for a line that is none */
  async read(source: BodySource): Promise<GivenRequest> {
    if (source.kind === 'body') {
      const given = await text(await this.store.get(source.fileKey));
      return { customId: null, body: () => parseChatRequest(given) };
    }
    const { fileKey, start, length, line } = source;
    const given = parseJson(await text(await this.store.get(fileKey, { start, length })), line);
    const parsed = BatchLineSchema.safeParse(given);
    if (!parsed.success) throw new MadakvError('invalid_request', `line ${line} of the input file is no request`);
    return { customId: parsed.data.custom_id, body: () => checkChatRequest(parsed.data.body) };
  }
}
