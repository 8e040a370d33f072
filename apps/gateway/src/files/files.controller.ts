import type { FileObject } from '@madakv/contracts';
import { Controller, Delete, Get, HttpCode, Inject, Param, Post, Req, Res } from '@nestjs/common';
import type { Request, Response } from 'express';
import { pipeline } from 'node:stream/promises';
import { CheckedQuery } from '../http/checked.query.js';
import { FilePageSchema, listBody, type FilePage, type ListBody } from '../http/page.query.js';
import { Tenant } from '../http/request.context.js';
import { ApiRoute } from '../openapi/api.route.js';
import { filenameOf } from './file.limits.js';
import { FilesService } from './files.service.js';

const PATH = { id: 'Id of a file.' };

@Controller('v1/files')
export class FilesController {
  constructor(@Inject(FilesService) private readonly files: FilesService) {}

  @Post()
  @HttpCode(200)
  @ApiRoute({
    tag: 'Files',
    summary: 'Upload a file',
    description:
      'Input of a batch (purpose `batch`, JSON Lines) or a document (purpose `user_data`, a PDF, a TIFF, or a PNG, JPEG, WebP or GIF image).',
    body: { schema: 'UploadFile', type: 'multipart/form-data' },
    response: { 'application/json': 'File' },
    errors: ['invalid_request', 'invalid_document', 'too_large', 'unsupported_media_type', 'request_timeout'],
  })
  uploadFile(@Tenant() tenant: string, @Req() request: Request): Promise<FileObject> {
    return this.files.upload(tenant, request);
  }

  @Get()
  @ApiRoute({
    tag: 'Files',
    summary: 'List files',
    query: FilePageSchema,
    response: { 'application/json': 'FilePage' },
    errors: ['invalid_request', 'not_found'],
  })
  async listFiles(
    @Tenant() tenant: string,
    @CheckedQuery(FilePageSchema) query: FilePage,
  ): Promise<ListBody<FileObject>> {
    return listBody(await this.files.list(tenant, query));
  }

  @Get(':id')
  @ApiRoute({
    tag: 'Files',
    summary: 'Get a file',
    path: PATH,
    response: { 'application/json': 'File' },
    errors: ['not_found'],
  })
  async getFile(@Tenant() tenant: string, @Param('id') id: string): Promise<FileObject> {
    return (await this.files.get(tenant, id)).object;
  }

  @Get(':id/content')
  @ApiRoute({
    tag: 'Files',
    summary: 'Get the content of a file',
    path: PATH,
    response: { 'application/octet-stream': undefined, 'application/jsonl': undefined },
    errors: ['not_found'],
  })
  async getFileContent(@Tenant() tenant: string, @Param('id') id: string, @Res() response: Response): Promise<void> {
    const { object, content } = await this.files.content(tenant, id);
    const type = object.purpose === 'user_data' ? 'application/octet-stream' : 'application/jsonl';
    response.attachment(filenameOf(object.filename));
    response.set({ 'content-type': type, 'content-length': String(object.bytes) });
    // A caller that hangs up ends the reading; there is nobody left to tell of an error.
    await pipeline(content, response).catch((error: unknown) => {
      if (!response.destroyed) throw error;
    });
  }

  @Delete(':id')
  @ApiRoute({
    tag: 'Files',
    summary: 'Delete a file',
    path: PATH,
    response: { 'application/json': 'FileDeleted' },
    errors: ['not_found', 'conflict'],
  })
  async deleteFile(
    @Tenant() tenant: string,
    @Param('id') id: string,
  ): Promise<{ readonly id: string; readonly object: 'file'; readonly deleted: true }> {
    await this.files.delete(tenant, id);
    return { id, object: 'file', deleted: true };
  }
}
