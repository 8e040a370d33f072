import { PromptTextSchema, storeKeys, type PromptText } from '@madakv/contracts';
import { StorageError, type FileStore } from '@madakv/storage';
import { Inject, Injectable } from '@nestjs/common';
import { text } from 'node:stream/consumers';
import { STORE } from '../gateway.tokens.js';
import { RecentlyRead } from './recently.read.js';

/** Texts that are held: one is read page by page. The largest are a few megabytes. */
const HELD = 4;
/** What its owner had deleted, or its time did, is held no longer than this. */
const HELD_MS = 10 * 60_000;

/** Texts of prompts. Whose they are, their traces say. One that is written again is the same. */
@Injectable()
export class TextReader {
  private readonly texts = new RecentlyRead<PromptText>({ most: HELD, maxAgeMs: HELD_MS }, (id) => this.load(id));

  constructor(@Inject(STORE) private readonly store: FileStore) {}

  /** @param id of a trace. @returns undefined where it is not kept */
  get(id: string): Promise<PromptText | undefined> {
    return this.texts.get(id);
  }

  private async load(id: string): Promise<PromptText | undefined> {
    try {
      return PromptTextSchema.parse(JSON.parse(await text(await this.store.get(storeKeys.text(id)))));
    } catch (error) {
      if (error instanceof StorageError && error.code === 'not_found') return undefined;
      throw error;
    }
  }
}
