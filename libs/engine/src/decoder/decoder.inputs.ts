import { closeSync, openSync, readSync } from 'node:fs';
import { EMBEDDING_WEIGHT, toFloat32, type OpenModel } from '@madakv/models';
import type { Detokenizer } from '../sequence.js';
import { EmbeddingTable } from './embedding.table.js';

/** What turns a prompt into decoder input and ids into text. */
export interface DecoderInputs {
  readonly embeddings: EmbeddingTable;
  /** Behind how many of the first layers features of images are added. */
  readonly visualLayers: number;
  readonly eosIds: readonly number[];
  readonly maxPositions: number;
  newDetokenizer(): Detokenizer;
  close(): void;
}

export function loadDecoderInputs(model: OpenModel): DecoderInputs {
  const { config } = model;
  const location = model.weights.locate(EMBEDDING_WEIGHT);
  const rowBytes = location.length / config.decoder.vocabSize;
  const fd = openSync(location.file, 'r');
  const bytes = new Uint8Array(rowBytes);
  const readRow = (id: number, into: Float32Array): void => {
    readSync(fd, bytes, 0, rowBytes, location.offset + id * rowBytes);
    into.set(toFloat32(bytes, location.dtype));
  };
  return {
    embeddings: new EmbeddingTable(config.decoder.hiddenSize, config.decoder.vocabSize, readRow),
    visualLayers: config.decoder.visualLayers ?? 0,
    eosIds: config.tokens.eos,
    maxPositions: config.decoder.maxPositions,
    newDetokenizer: () => model.tokenizer.detokenizer(),
    close: () => {
      closeSync(fd);
    },
  };
}
