import sharp from 'sharp';
import { afterAll, describe, expect, it, vi } from 'vitest';
import * as samples from '../testing/pdf.samples.js';
import { PdfRasteriser, type PageBitmap, type RasteriseOptions } from './pdf.rasteriser.js';

// Processes start slowly on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

const MIB = 1024 ** 2;
const rasteriser = new PdfRasteriser();
afterAll(() => {
  rasteriser.close();
});

async function draw(bytes: Uint8Array, options: RasteriseOptions = {}): Promise<PageBitmap[]> {
  const pages: PageBitmap[] = [];
  for await (const page of rasteriser.rasterise(bytes, options)) pages.push(page);
  return pages;
}

/** Whether the pixel is black, of a raw page. */
function black({ bytes, width }: PageBitmap, x: number, y: number): boolean {
  return bytes[3 * (y * width + x)] < 128;
}

describe('openDocument', () => {
  it('counts pages', async () => {
    expect(await rasteriser.openDocument(samples.plainPdf(2))).toEqual({ pageCount: 2, warnings: [] });
  });

  it('reads a document of several thousand pages', async () => {
    expect((await rasteriser.openDocument(samples.plainPdf(3000))).pageCount).toBe(3000);
  });
});

describe('rasterise', () => {
  it('draws all pages at 140 dpi', async () => {
    const pages = await draw(samples.plainPdf(3), { format: 'raw' });
    expect(pages.map(({ page, width, height, dpi }) => [page, width, height, dpi])).toEqual(
      [1, 2, 3].map((page) => [page, 1190, 1540, 140]),
    );
    for (const page of pages) {
      expect(page.bytes).toHaveLength(1190 * 1540 * 3);
      // The square of one inch in the corner, sharp to the pixel.
      expect([black(page, 0, 0), black(page, 139, 139), black(page, 140, 139), black(page, 139, 140)]).toEqual([
        true,
        true,
        false,
        false,
      ]);
    }
  });

  it('draws the pages of a list, in its order, and none that the document does not have', async () => {
    const pages = await draw(samples.plainPdf(3), { pages: [3, 1], dpi: 40 });
    expect(pages.map(({ page }) => page)).toEqual([3, 1]);
    for (const bad of [[4], [0], [1.5]]) {
      await expect(draw(samples.plainPdf(3), { pages: bad })).rejects.toMatchObject({ code: 'page_out_of_range' });
    }
  });

  it('says what the document is before it draws, and ends when that is refused', async () => {
    const seen: number[] = [];
    const onOpened = ({ pageCount }: { pageCount: number }): void => {
      seen.push(pageCount);
      throw new Error('too long for me');
    };
    await expect(draw(samples.plainPdf(3), { onOpened })).rejects.toThrow('too long for me');
    expect(seen).toEqual([3]);
    expect(await draw(samples.plainPdf(1), { dpi: 40 })).toHaveLength(1);
  });

  it('draws text in grey, without the colours of sub-pixels', async () => {
    const [page] = await draw(samples.plainPdf(), { format: 'raw' });
    const grey = new Set<number>();
    let coloured = 0;
    for (let at = 0; at < page.bytes.length; at += 3) {
      const [red, green, blue] = page.bytes.subarray(at, at + 3);
      if (red !== green || red !== blue) coloured++;
      grey.add(red);
    }
    expect(coloured).toBe(0);
    expect(grey.size).toBeGreaterThan(10);
  });

  it('gives the same pixels in every format', async () => {
    const [raw] = await draw(samples.plainPdf(), { format: 'raw' });
    for (const format of ['png', 'webp'] as const) {
      const [page] = await draw(samples.plainPdf(), { format });
      const decoded = await sharp(page.bytes).toColourspace('srgb').raw().toBuffer({ resolveWithObject: true });
      expect(decoded.info).toMatchObject({ format: 'raw', width: page.width, height: page.height, channels: 3 });
      expect(Buffer.compare(decoded.data, raw.bytes)).toBe(0);
    }
  });

  it('keeps colours, in their order', async () => {
    const red = samples.writePdf([{ width: 72, height: 72, content: '1 0 0 rg 0 0 72 72 re f' }]);
    const [raw] = await draw(red, { format: 'raw', dpi: 72 });
    expect([...raw.bytes.subarray(0, 3)]).toEqual([255, 0, 0]);
    const [png] = await draw(red, { dpi: 72 });
    expect([...(await sharp(png.bytes).raw().toBuffer()).subarray(0, 3)]).toEqual([255, 0, 0]);
  });

  it('draws the pages chosen', async () => {
    const pages = await draw(samples.plainPdf(5), { pages: '4-,2', dpi: 20 });
    expect(pages.map(({ page }) => page)).toEqual([2, 4, 5]);
  });

  it('stretches a page to multiples of 28 pixels, with ink up to the edges', async () => {
    const full = samples.writePdf([{ width: 612, height: 792, content: '0 0 612 792 re f' }]);
    const [page] = await draw(full, { multipleOf: 28, format: 'raw' });
    expect([page.width / 28, page.height / 28]).toEqual([43, 55]);
    expect(page.bytes.every((value) => value === 0)).toBe(true);
  });

  it('lowers the resolution where the pixels would be too many', async () => {
    const [page] = await draw(samples.sizedPdf(2000, 3000), { maxPixelsPerPage: 2_000_000 });
    expect(page.width * page.height).toBeLessThanOrEqual(2_000_000);
    expect(page.dpi).toBeCloseTo(41.5, 0);
  });

  it('draws a page of any size', async () => {
    for (const [width, height] of [
      [14_000, 14_000],
      [20_000, 100],
      [1, 1],
    ]) {
      const [page] = await draw(samples.sizedPdf(width, height), { maxPixelsPerPage: 500_000, format: 'raw' });
      expect(page.width * page.height).toBeGreaterThan(100_000);
      expect(page.width * page.height).toBeLessThanOrEqual(500_000);
      // Ink in the lower left quarter.
      expect([black(page, 2, page.height - 3), black(page, page.width - 3, 2)]).toEqual([true, false]);
    }
  });

  it('shows the whole page where its crop box leaves nothing of it', async () => {
    const [page] = await draw(samples.sizedPdf(600, 800, '/CropBox [1000 1000 1400 1600]'), { dpi: 72, format: 'raw' });
    expect([page.width, page.height]).toEqual([600, 800]);
    expect([black(page, 10, 790), black(page, 590, 10)]).toEqual([true, false]);
  });

  it('takes the unit that a page states', async () => {
    const [page] = await draw(samples.userUnitPdf(8.5, 11, 72), { format: 'raw' });
    expect([page.width, page.height, page.dpi]).toEqual([1190, 1540, 140]);
    expect([black(page, 10, 1530), black(page, 610, 1530)]).toEqual([true, false]);
    const wrong = await draw(samples.userUnitPdf(612, 792, -3));
    expect(wrong[0]).toMatchObject({ width: 1190, height: 1540 });
  });

  it('draws a small page as finely as its scan', async () => {
    const [page] = await draw(samples.scanPdf({ width: 120, height: 86 }, 1000, 717), { format: 'raw' });
    expect([page.width, page.height]).toEqual([1000, 717]);
    // Stripes of two rows each.
    const column = Array.from({ length: 80 }, (_, y) => black(page, 500, y + 100));
    expect(column.filter((dark, y) => dark !== column.at(y - 1)).length).toBeGreaterThan(35);
  });

  it('draws a photo that was saved at 72 dpi with the pixels that it has', async () => {
    const photo = samples.scanPdf({ width: 1600, height: 1300 }, 1600, 1300);
    expect((await draw(photo))[0]).toMatchObject({ width: 1600, height: 1300 });
  });

  it('applies the rotation of a page', async () => {
    // Ink in the lower left quarter; turned clockwise it is in the upper left one.
    const [page] = await draw(samples.sizedPdf(300, 200, '/Rotate 90'), { dpi: 72, format: 'raw' });
    expect([page.width, page.height]).toEqual([200, 300]);
    expect([black(page, 10, 10), black(page, 10, 290), black(page, 190, 10)]).toEqual([true, false, false]);
  });

  it("draws form fields that have no appearance of the document's own", async () => {
    const [page] = await draw(samples.formPdf('Hello'), { dpi: 72, format: 'raw' });
    expect(page.bytes.filter((value) => value < 128).length).toBeGreaterThan(1000);
  });

  it('reads a PDF that stands in a larger buffer', async () => {
    const pdf = samples.plainPdf();
    const inside = Buffer.concat([Buffer.alloc(100), pdf, Buffer.alloc(100)]).subarray(100, 100 + pdf.length);
    expect(await draw(inside, { dpi: 20 })).toHaveLength(1);
  });
});

describe('refusals', () => {
  it.each<[string, Buffer, RasteriseOptions, string, RegExp]>([
    ['no PDF', Buffer.from('GIF89a'), {}, 'not_a_pdf', /the content \(6 bytes\) does not begin as a PDF does/],
    ['nothing', Buffer.alloc(0), {}, 'not_a_pdf', /0 bytes/],
    ['a password', samples.encryptedPdf(), {}, 'encrypted_pdf', /needs a password/],
    ['a cipher unknown', samples.strangelyEncryptedPdf(), {}, 'encrypted_pdf', /cannot be read/],
    ['truncation', samples.truncatedPdf(), {}, 'broken_pdf', /broken and cannot be repaired \(40 bytes read\)/],
    ['garbage', samples.garbagePdf(), {}, 'broken_pdf', /structure is broken/],
    ['a missing page', samples.brokenPagePdf(), {}, 'broken_pdf', /page 2 of the PDF is broken/],
    ['no pages', samples.emptyPdf(), {}, 'empty_pdf', /no pages/],
    ['a range unreadable', samples.plainPdf(), { pages: 'x' }, 'bad_page_range', /"x"/],
    ['a page not there', samples.plainPdf(), { pages: '2' }, 'page_out_of_range', /page 2 .* has 1 page$/],
    ['many to draw', samples.plainPdf(4), { limits: { maxPages: 3 } }, 'too_many_pages', /^4 pages .* limit is 3$/],
    ['many', samples.plainPdf(4), { pages: '1', limits: { maxDocumentPages: 3 } }, 'too_many_pages', /has 4 pages/],
    ['a form that only XFA makes', samples.xfaPdf(true), {}, 'dynamic_xfa', /print it to PDF/],
    ['a portfolio', samples.attachmentPdf(['a.pdf', 'b.xml'], true), {}, 'pdf_portfolio', /the 2 files in it/],
    [
      'many bytes',
      samples.plainPdf(),
      { limits: { maxDocumentBytes: 500 } },
      'document_too_large',
      /634 bytes; .* 500 bytes/,
    ],
    [
      'a slow page',
      samples.slowPdf(),
      { limits: { pageTimeoutMs: 5000 } },
      'raster_timeout',
      /page 1 took longer than 5,000 ms/,
    ],
    [
      'a large image',
      samples.imageBombPdf(4000),
      { limits: { rasterMemoryBytes: 130 * MIB } },
      'raster_memory',
      /limit is 130 MiB/,
    ],
    [
      'a large bitmap',
      samples.sizedPdf(7200, 7200),
      { dpi: 100, maxPixelsPerPage: 1e8, limits: { rasterMemoryBytes: 300 * MIB } },
      'raster_memory',
      /more memory than the limit of 300 MiB/,
    ],
  ])('of %s', async (_, bytes, options, code, message) => {
    const refused = draw(bytes, options);
    await expect(refused).rejects.toMatchObject({ name: 'DocumentError', code, retryable: false });
    await expect(refused).rejects.toThrow(message);
    // Whatever happened, the next document is drawn.
    expect(await draw(samples.plainPdf(), { dpi: 20 })).toHaveLength(1);
  });

  it('of a broken page come before the first is drawn, and only where it is asked for', async () => {
    const broken = samples.brokenPagePdf();
    await expect(rasteriser.rasterise(broken).next()).rejects.toThrow(/page 2 of the PDF is broken/);
    expect(await draw(broken, { pages: '1', dpi: 20 })).toMatchObject([{ page: 1, warnings: [] }]);
  });

  it('counts the time of all pages together', async () => {
    const content = '0 396 m 0 700 612 700 612 396 c 612 90 0 90 0 396 c B*\n'.repeat(2000);
    const pages = Array.from({ length: 200 }, () => ({ width: 612, height: 792, content }));
    const limits = { documentTimeoutMs: 1500 };
    await expect(draw(samples.writePdf(pages), { limits })).rejects.toMatchObject({ code: 'raster_timeout' });
  });
});

describe('a page tree that states a wrong number of pages', () => {
  it.each([
    [samples.miscountedPdf(1, 900_000), 1],
    [samples.miscountedPdf(3, 7), 3],
    // Pages that would be lost in silence.
    [samples.miscountedPdf(3, 1), 3],
    // The word that begins a stream, in a text and in a name.
    [samples.miscountedPdf(3, 7, '/Lang (the Upstream >>stream)'), 3],
    [samples.miscountedPdf(3, 7, '/PieceInfo << /BitstreamVera << >> >>'), 3],
    [samples.packedMiscountedPdf(3, 5), 3],
    [samples.packedMiscountedPdf(3, 2), 3],
  ])('does not decide (%#)', async (bytes, pageCount) => {
    const { pageCount: found, warnings } = await rasteriser.openDocument(bytes);
    expect([found, warnings.map(({ code }) => code)]).toEqual([pageCount, ['page_count_wrong']]);
    const pages = await draw(bytes, { dpi: 40, format: 'raw' });
    expect(pages.map(({ page }) => page)).toEqual(Array.from({ length: pageCount }, (_, index) => index + 1));
    for (const { bytes: pixels } of pages) expect(pixels.some((value) => value < 128)).toBe(true);
  });

  it('is told with its numbers', async () => {
    const [{ message }] = (await rasteriser.openDocument(samples.miscountedPdf(1, 900_000))).warnings;
    expect(message).toBe('the PDF states 900,000 pages, but has 1; what it has was read');
  });

  it('is not seen in one that is right', async () => {
    expect(await rasteriser.openDocument(samples.packedMiscountedPdf(3, 3))).toEqual({ pageCount: 3, warnings: [] });
    // An object that is a page and in no tree.
    const leftOver = samples.writePdf([{ width: 612, height: 792, content: '' }], { objects: ['<< /Type /Page >>'] });
    expect(await rasteriser.openDocument(leftOver)).toEqual({ pageCount: 1, warnings: [] });
  });
});

describe('warnings', () => {
  const warningsOf = async (bytes: Uint8Array): Promise<string[]> => {
    const { warnings } = await rasteriser.openDocument(bytes);
    const pages = await draw(bytes, { dpi: 70 });
    return [...warnings.map(({ code }) => code), ...pages.flatMap(({ warnings: ofPage }) => ofPage)];
  };

  it.each([
    ['attached files', samples.attachmentPdf(['a.pdf']), ['attachments_not_read']],
    ['the XML of an electronic invoice', samples.attachmentPdf(['factur-x.xml']), []],
    ['an XFA form beside pages', samples.xfaPdf(false), ['xfa_not_read']],
    ['Chinese in a font that is not embedded', samples.unembeddedPdf(), ['text_not_drawn']],
    ['Latin in such a font', samples.plainPdf(), []],
    ['an Arabic comment', samples.commentPdf('مرحبا'), ['text_not_drawn']],
    ['a Latin comment', samples.commentPdf('Déjà vu'), []],
    ['a form field', samples.formPdf('Hello'), []],
    ['a Chinese form field', samples.formPdf('\xfe\xff\x4e\x2d'), ['text_not_drawn']],
    ['an image that cannot be decoded', samples.brokenImagePdf('Total'), ['image_not_drawn']],
    ['the same and nothing else', samples.brokenImagePdf(), ['image_not_drawn']],
    ['an image of one colour', samples.imageBombPdf(50), []],
    ['an image too large to be decoded', samples.statedImagePdf(100_000, 8), ['image_not_drawn']],
    ['a large blank scan', samples.statedImagePdf(8_000, 1), ['blank_page']],
    ['white on white', samples.whitePdf('Total'), ['blank_page']],
    ['an empty page', samples.whitePdf('  '), []],
    ['a scan', samples.scanPdf({ width: 612, height: 792 }, 300, 400), []],
  ])('of %s', async (_, bytes, codes) => {
    expect(await warningsOf(bytes)).toEqual(codes);
  });

  it('belong to the page that has them', async () => {
    const pages = await draw(samples.unembeddedPdf(3, [2]), { dpi: 40 });
    expect(pages.map(({ warnings }) => warnings)).toEqual([[], ['text_not_drawn'], []]);
  });
});

describe('processes', () => {
  it('draws several documents at a time, as many as there are processes, and the rest after them', async () => {
    const two = new PdfRasteriser({ processes: 2 });
    const counts = await Promise.all(
      [1, 2, 3, 4, 5].map(async (count) => (await two.openDocument(samples.plainPdf(count))).pageCount),
    );
    expect(counts).toEqual([1, 2, 3, 4, 5]);
    two.close();
  });

  it('keeps a process that has little, and replaces one that a document left large', async () => {
    // Its own program takes some tens of MiB: more than a quarter of the one limit, and less than that of the other.
    const small = new PdfRasteriser({ limits: { rasterMemoryBytes: 200 * MIB } });
    const large = new PdfRasteriser({ limits: { rasterMemoryBytes: 4096 * MIB } });
    try {
      expect(large.residentBytes).toBe(0);
      for (const pool of [small, large]) expect((await pool.openDocument(samples.plainPdf(2))).pageCount).toBe(2);
      expect(small.residentBytes).toBe(0);
      expect(large.residentBytes).toBeGreaterThan(10 * MIB);
      expect((await small.openDocument(samples.plainPdf(3))).pageCount).toBe(3);
    } finally {
      small.close();
      large.close();
    }
  });

  it('gives the process back when the reader leaves early', async () => {
    for await (const { page } of rasteriser.rasterise(samples.plainPdf(3), { dpi: 20 })) {
      expect(page).toBe(1);
      break;
    }
    expect(await draw(samples.plainPdf(), { dpi: 20 })).toHaveLength(1);
  });

  it('stops drawing when aborted, with the reason', async () => {
    const controller = new AbortController();
    const reason = new Error('the client is gone');
    setTimeout(() => {
      controller.abort(reason);
    }, 400);
    const before = performance.now();
    await expect(draw(samples.slowPdf(), { signal: controller.signal })).rejects.toBe(reason);
    // Well before a page's time is up, on a busy machine too.
    expect(performance.now() - before).toBeLessThan(10_000);
    await expect(draw(samples.plainPdf(), { signal: controller.signal })).rejects.toBe(reason);
  });

  it('stops waiting for a process when aborted', async () => {
    const busy = rasteriser.rasterise(samples.plainPdf(2), { dpi: 20 });
    await busy.next();
    await expect(rasteriser.openDocument(samples.plainPdf(), { signal: AbortSignal.timeout(50) })).rejects.toThrow(
      /timeout/,
    );
    await busy.return();
    expect((await rasteriser.openDocument(samples.plainPdf())).pageCount).toBe(1);
  });

  it('refuses work once closed', async () => {
    const closed = new PdfRasteriser();
    closed.close();
    await expect(closed.openDocument(samples.plainPdf())).rejects.toMatchObject({ code: 'raster_crashed' });
  });
});
