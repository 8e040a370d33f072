import { MadakvError, storeKeys, TraceDocumentSchema, type AnsweredTrace, type TraceDocument } from '@madakv/contracts';
import { StorageError, type FileStore } from '@madakv/storage';
import { Inject, Injectable } from '@nestjs/common';
import { text } from 'node:stream/consumers';
import { STORE } from '../gateway.tokens.js';
import { RecentlyRead } from './recently.read.js';

/** Of a request, or with a number of one of its questions. */
const REQUEST_ID = /^[A-Za-z0-9_-]{1,100}(\.[0-9]{1,4})?$/;
/** Traces that are held: whoever looks at one looks at its layers one by one. The largest are a few megabytes. */
const HELD = 8;
/** Then it is read again: it may have been deleted, or be that of an attempt whose outcome did not count. In milliseconds. */
const MAX_AGE_MS = 60_000;

/** Traces of a tenant's requests. */
@Injectable()
export class TraceReader {
  private readonly held = new RecentlyRead<TraceDocument>({ most: HELD, maxAgeMs: MAX_AGE_MS }, (id) => this.load(id));

  constructor(@Inject(STORE) private readonly store: FileStore) {}

  /** @throws MadakvError not_found, also where it is another tenant's */
  async get(tenant: string, id: string, param = 'id'): Promise<TraceDocument> {
    const trace = REQUEST_ID.test(id) ? await this.held.get(id) : undefined;
    if (trace?.tenant === tenant) return trace;
    throw new MadakvError('not_found', `There is no trace of a request ${id.slice(0, 128)}`, { param });
  }

  /** @throws MadakvError not_found; conflict where it was not answered */
  async answered(tenant: string, id: string, param: string): Promise<AnsweredTrace> {
    const trace = await this.get(tenant, id, param);
    if (trace.error === null) return trace;
    throw new MadakvError('conflict', `${trace.id} was not answered: ${trace.error.code}`, { param });
  }

  private async load(id: string): Promise<TraceDocument | undefined> {
    try {
      return TraceDocumentSchema.parse(JSON.parse(await text(await this.store.get(storeKeys.trace(id)))));
    } catch (error) {
      if (error instanceof StorageError && error.code === 'not_found') return undefined;
      throw error;
    }
  }
}
