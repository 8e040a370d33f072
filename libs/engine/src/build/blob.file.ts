import { closeSync, openSync, writeSync } from 'node:fs';
import type { BlobSink } from '@madakv/models';
import type { ExternalRange } from '@madakv/onnx';

/** ONNX Runtime maps external data by page. */
const PAGE = 4096;

/** Writes the large tensors of one graph one after another into a file. */
export class BlobFile implements BlobSink {
  private readonly fd: number;
  private size = 0;

  constructor(
    path: string,
    private readonly location: string,
  ) {
    this.fd = openSync(path, 'w');
  }

  write(bytes: Uint8Array): ExternalRange {
    const offset = Math.ceil(this.size / PAGE) * PAGE;
    for (let done = 0; done < bytes.byteLength;) {
      // One write call takes 2 GiB at most.
      done += writeSync(this.fd, bytes, done, Math.min(bytes.byteLength - done, 2 ** 30), offset + done);
    }
    this.size = offset + bytes.byteLength;
    return { location: this.location, offset, length: bytes.byteLength };
  }

  close(): void {
    closeSync(this.fd);
  }
}
