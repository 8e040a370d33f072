import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FileObject, UploadObject, UploadPurpose } from '@madakv/contracts';
import { fail, partOf, send } from './fake.http.js';

type Store = (content: Buffer, filename: string, purpose: UploadPurpose, expiresAfterS?: number) => FileObject;

interface FakeUpload {
  object: UploadObject;
  readonly expiresAfterS: number | undefined;
  readonly parts: Map<string, Buffer>;
}

interface CreateBody {
  readonly bytes: number;
  readonly filename: string;
  readonly purpose: UploadPurpose;
  readonly expires_after?: { readonly seconds: number };
}

/** Uploads in parts, in memory; for tests. */
export class FakeUploads {
  readonly uploads = new Map<string, FakeUpload>();
  private ids = 0;

  constructor(private readonly store: Store) {}

  async handle(
    request: IncomingMessage,
    response: ServerResponse,
    body: Buffer,
    id: string,
    part: string | undefined,
  ): Promise<void> {
    if (id === '') {
      send(response, this.create(JSON.parse(body.toString()) as CreateBody));
      return;
    }
    const upload = this.uploads.get(id);
    if (upload === undefined) fail(response, 404, 'not_found', `no upload ${id}`);
    else if (part === 'parts') {
      const partId = `part_${++this.ids}`;
      upload.parts.set(partId, await partOf(request, body));
      send(response, { id: partId, object: 'upload.part', created_at: 1, upload_id: id });
    } else this.complete(response, upload, (JSON.parse(body.toString()) as { part_ids: string[] }).part_ids);
  }

  private create({ bytes, filename, purpose, expires_after }: CreateBody): UploadObject {
    const object: UploadObject = {
      id: `upload_${++this.ids}`,
      object: 'upload',
      bytes,
      created_at: 1,
      filename,
      purpose,
      status: 'pending',
      expires_at: 3_601,
      file: null,
    };
    this.uploads.set(object.id, { object, expiresAfterS: expires_after?.seconds, parts: new Map() });
    return object;
  }

  private complete(response: ServerResponse, upload: FakeUpload, partIds: readonly string[]): void {
    const { object, parts, expiresAfterS } = upload;
    const content = Buffer.concat(partIds.map((id) => parts.get(id) ?? Buffer.alloc(0)));
    if (content.length !== object.bytes) {
      fail(response, 400, 'invalid_request', `${content.length} bytes, not ${object.bytes}`);
      return;
    }
    const file = object.file ?? this.store(content, object.filename, object.purpose, expiresAfterS);
    upload.object = { ...object, status: 'completed', file };
    send(response, upload.object);
  }
}
