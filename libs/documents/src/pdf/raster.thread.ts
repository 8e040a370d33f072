import { PDFiumModule } from '@hyzyla/pdfium';
import { parentPort, workerData } from 'node:worker_threads';
import { DocumentError } from '../document.error.js';
import { formatBytes, formatCount } from '../quantity.format.js';
import type { Pdfium } from './pdfium.js';
import { PdfiumDocument } from './pdfium.document.js';
import type { FailedReply, ThreadData, ThreadReply, ThreadRequest } from './raster.protocol.js';

/*
 * The thread that runs pdfium on one document. A fresh instance for each document: what one leaves behind, another
 * never sees, and memory goes back when the thread ends.
 */

const { pdfium: compiled, bytes, maxDocumentPages, memoryBytes } = workerData as ThreadData;
/** pdfium goes on without what it had no memory for, so that a page would silently lack an image: note it here. */
let memoryRefused = false;
let document: PdfiumDocument | undefined;

parentPort?.on('message', (request: ThreadRequest) => {
  reply(() => {
    if (document === undefined) throw new Error('no document is open');
    return { type: 'bitmap', ...document.draw(request.page, request.rules) };
  });
});

const instance = await instantiate();
reply(() => {
  document = PdfiumDocument.open(instance, bytes);
  const { pageCount } = document;
  if (pageCount === 0) throw new DocumentError('empty_pdf', 'the PDF has no pages');
  if (pageCount > maxDocumentPages) {
    const message = `the PDF has ${formatCount(pageCount)} pages; the limit is ${formatCount(maxDocumentPages)}`;
    throw new DocumentError('too_many_pages', message);
  }
  return { type: 'opened', pageCount, missing: document.missingPages(), warnings: document.warnings };
});

function reply(work: () => ThreadReply): void {
  let message: ThreadReply;
  try {
    message = work();
    if (memoryRefused) message = outOfMemory();
  } catch (error) {
    message = failure(error);
  }
  parentPort?.postMessage(message, message.type === 'bitmap' ? [message.rgba.buffer as ArrayBuffer] : []);
}

function failure(error: unknown): FailedReply {
  if (memoryRefused) return outOfMemory();
  if (error instanceof DocumentError) return { type: 'failed', code: error.code, message: error.message };
  return {
    type: 'failed',
    code: 'raster_crashed',
    message: `pdfium stopped: ${(error as Error).message.split('\n', 1)[0]}`,
  };
}

function outOfMemory(): FailedReply {
  const message = `drawing the document needs more memory than the limit of ${formatBytes(memoryBytes)}`;
  return { type: 'failed', code: 'raster_memory', message };
}

async function instantiate(): Promise<Pdfium> {
  const options = {
    instantiateWasm(imports: WebAssembly.Imports, done: (instance: { exports: WebAssembly.Exports }) => void) {
      const { exports } = new WebAssembly.Instance(compiled, imports);
      limitMemory(exports['memory'] as WebAssembly.Memory);
      done({ exports });
      return exports;
    },
    print: () => undefined,
    // The only notice that Emscripten gives of memory that it could not have.
    printErr(text: string) {
      memoryRefused ||= /^(Failed to grow|Cannot enlarge)/.test(text);
    },
  };
  return (await PDFiumModule(options as unknown as Parameters<typeof PDFiumModule>[0])) as unknown as Pdfium;
}

/** Emscripten grows the memory through this object, and takes an exception for "no more". */
function limitMemory(memory: WebAssembly.Memory): void {
  const grow = memory.grow.bind(memory);
  memory.grow = (pages) => {
    const wanted = memory.buffer.byteLength + pages * 65_536;
    if (wanted > memoryBytes) throw new RangeError(`${wanted} bytes are more than the limit of ${memoryBytes}`);
    return grow(pages);
  };
}
