import { allocate, withMemory, type Pdfium } from './pdfium.js';

/*
 * pdfium writes a document anew with each object in plain sight: nothing encrypted, nothing packed together, one way of
 * spacing. What its interface does not tell can be read there.
 */

const REMOVE_SECURITY = 3;
/** The table of functions cannot grow; its first place stands for none, and is free. */
const FREE_SLOT = 0;
const CATALOG = /\/Type\s*\/Catalog(?![A-Za-z])/;
const COLLECTION = /\/Collection(?![A-Za-z])/;
const PAGE = /\/Type\s*\/Page(?![A-Za-z])/;
const PAGE_TREE = /\/Type\s*\/Pages(?![A-Za-z])/;
/** A module that takes a function of three integers and gives it back as WebAssembly's own, for pdfium to call. */
const WRAPPER = Uint8Array.from([
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
  ...[0x01, 0x08, 0x01, 0x60, 0x03, 0x7f, 0x7f, 0x7f, 0x01, 0x7f],
  ...[0x02, 0x07, 0x01, 0x01, 0x65, 0x01, 0x66, 0x00, 0x00],
  ...[0x07, 0x05, 0x01, 0x01, 0x66, 0x00, 0x00],
]);

/** @returns undefined where it cannot be written */
export function plainCopy(pdfium: Pdfium, document: number): Buffer | undefined {
  const parts: Buffer[] = [];
  const write = (_writer: number, address: number, bytes: number): number => {
    parts.push(Buffer.from(pdfium.HEAPU8.slice(address, address + bytes)));
    return 1;
  };
  const wrapper = new WebAssembly.Instance(new WebAssembly.Module(WRAPPER), { e: { f: write } });
  const table = pdfium.wasmExports.__indirect_function_table;
  table.set(FREE_SLOT, wrapper.exports['f']);
  try {
    // FPDF_FILEWRITE: its version, and the function.
    return withMemory(pdfium, 8, (writer) => {
      const view = new DataView(pdfium.HEAPU8.buffer);
      view.setInt32(writer, 1, true);
      view.setInt32(writer + 4, FREE_SLOT, true);
      return pdfium._FPDF_SaveAsCopy(document, writer, REMOVE_SECURITY) === 0 ? undefined : Buffer.concat(parts);
    });
  } finally {
    table.set(FREE_SLOT, null);
  }
}

/**
 * How long a page's unit is, in points (PDF 32000-1, table 30): 1 unless the page says otherwise.
 * @param index from 0
 */
export function userUnit(pdfium: Pdfium, document: number, index: number): number {
  const alone = pdfium._FPDF_CreateNewDocument();
  try {
    const copied = withMemory(pdfium, 4, (indices) => {
      new DataView(pdfium.HEAPU8.buffer).setInt32(indices, index, true);
      return pdfium._FPDF_ImportPagesByIndex(alone, document, indices, 1, 0);
    });
    const text = copied === 0 ? undefined : plainCopy(pdfium, alone);
    const page = text === undefined ? undefined : [...plainObjects(text)].find((object) => PAGE.test(object.text));
    const unit = Number(/\/UserUnit\s+([\d.]+)/.exec(page?.text ?? '')?.[1] ?? 1);
    return unit > 0 && Number.isFinite(unit) ? unit : 1;
  } finally {
    pdfium._FPDF_CloseDocument(alone);
  }
}

/** Whether the document is a portfolio (PDF 32000-1, 12.3.5): files behind a cover. */
export function isPortfolio(pdfium: Pdfium, document: number): boolean {
  const copy = plainCopy(pdfium, document);
  if (copy === undefined) return false;
  return [...plainObjects(copy)].some(({ text }) => CATALOG.test(text) && COLLECTION.test(text));
}

export interface CountedDocument {
  /** Of the copy, whose page tree states no counts, so that pdfium has counted its leaves. */
  readonly handle: number;
  readonly pageCount: number;
  /** Leaves that the tree names and the file does not have. */
  readonly lost: number;
}

/**
 * The document with its pages counted one by one, whatever its page tree says about their number.
 * @returns undefined where that cannot be done
 */
export function countedCopy(pdfium: Pdfium, document: number): CountedDocument | undefined {
  const copy = plainCopy(pdfium, document);
  if (copy === undefined) return undefined;
  const objects = [...plainObjects(copy)];
  const here = new Set(objects.map(({ number }) => number));
  let lost = 0;
  for (const { at, text } of objects) {
    if (!PAGE_TREE.test(text) || !text.includes('/Kids')) continue;
    const kids = /\/Kids\s*\[([^\]]*)\]/.exec(text)?.[1] ?? '';
    for (const [, number] of kids.matchAll(/(\d+)\s+\d+\s+R/g)) if (!here.has(Number(number))) lost++;
    // Of the same length, so that everything stays where the file's table says.
    const uncounted = text.replace(
      /(\/Count\s+)([-+]?\d+)/,
      (_, key: string, count: string) => key + '0'.repeat(count.length),
    );
    copy.write(uncounted, at, 'latin1');
  }
  const address = allocate(pdfium, copy.length);
  pdfium.HEAPU8.set(copy, address);
  const handle = pdfium._FPDF_LoadMemDocument(address, copy.length, 0);
  if (handle === 0) return undefined;
  return { handle, pageCount: pdfium._FPDF_GetPageCount(handle), lost };
}

interface PlainObject {
  readonly number: number;
  /** Of its text in the copy, in bytes. */
  readonly at: number;
  /** Without the data of a stream. */
  readonly text: string;
}

/** Where an object's stream begins; negative where it has none. The word alone may stand in a name or a text: `/BitstreamVera`. */
function streamIn(object: Buffer): number {
  for (let at = -1; (at = object.indexOf('stream', at + 1, 'latin1')) >= 0;) {
    const before = object.toString('latin1', Math.max(0, at - 16), at);
    const behind = object[at + 'stream'.length];
    if (/>>\s*$/.test(before) && (behind === 0x0a || behind === 0x0d)) return at;
  }
  return -1;
}

/** Objects of a plain copy, in the order in which they stand. */
function* plainObjects(copy: Buffer): Generator<PlainObject, void, undefined> {
  const next = (word: string, from: number): number => {
    const found = copy.indexOf(word, from, 'latin1');
    return found < 0 ? copy.length : found;
  };
  for (let at = 0; ;) {
    const start = next(' obj', at);
    if (start === copy.length) return;
    const number = /(\d+) \d+$/.exec(copy.toString('latin1', Math.max(0, start - 24), start))?.[1];
    const close = next('endobj', start);
    const data = streamIn(copy.subarray(start, close));
    const end = data < 0 ? close : start + data;
    if (number !== undefined) yield { number: Number(number), at: start, text: copy.toString('latin1', start, end) };
    // A stream's data may look like anything.
    at = data < 0 ? close : next('endstream', end);
  }
}
