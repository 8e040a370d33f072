import {
  CompleteUploadSchema,
  CreateUploadSchema,
  parseJson,
  type UploadObject,
  type UploadPart,
} from '@madakv/contracts';
import { Controller, HttpCode, Inject, Param, Post, Req, Res, UseInterceptors } from '@nestjs/common';
import type { Request, Response } from 'express';
import { keepWaiting } from '../chat/interim.responses.js';
import type { GatewaySettings } from '../gateway.settings.js';
import { SETTINGS } from '../gateway.tokens.js';
import { checked } from '../http/checked.query.js';
import { BodyText, JsonBody } from '../http/json.body.js';
import { Tenant } from '../http/request.context.js';
import { ApiRoute } from '../openapi/api.route.js';
import { UploadsService } from './uploads.service.js';

const PATH = { id: 'Id of an upload.' };
/** Ids of parts are the largest of it: 10,000 of some 30 characters. In bytes. */
const MAX_BODY = 1024 ** 2;
const JSON_ERRORS = ['invalid_request', 'invalid_json', 'unsupported_media_type', 'request_timeout'] as const;

/** Files in parts, as OpenAI has them. */
@Controller('v1/uploads')
export class UploadsController {
  constructor(
    @Inject(UploadsService) private readonly uploads: UploadsService,
    @Inject(SETTINGS) private readonly settings: GatewaySettings,
  ) {}

  @Post()
  @HttpCode(200)
  @UseInterceptors(JsonBody(() => MAX_BODY))
  @ApiRoute({
    tag: 'Uploads',
    summary: 'Begin a file that comes in parts',
    description: 'Until `expires_at` parts can be added to it; then it expires.',
    body: { schema: 'CreateUpload' },
    response: { 'application/json': 'Upload' },
    errors: [...JSON_ERRORS, 'too_large'],
  })
  createUpload(@Tenant() tenant: string, @BodyText() text: string): Promise<UploadObject> {
    return this.uploads.create(tenant, checked(CreateUploadSchema, parseJson(text)));
  }

  @Post(':id/parts')
  @HttpCode(200)
  @ApiRoute({
    tag: 'Uploads',
    summary: 'Add a part',
    description: 'Of 64 MiB at most; several may be sent at a time. Their order is said at the end.',
    path: PATH,
    body: { schema: 'AddUploadPart', type: 'multipart/form-data' },
    response: { 'application/json': 'UploadPart' },
    errors: ['invalid_request', 'not_found', 'conflict', 'too_large', 'unsupported_media_type', 'request_timeout'],
  })
  addUploadPart(@Tenant() tenant: string, @Param('id') id: string, @Req() request: Request): Promise<UploadPart> {
    return this.uploads.addPart(tenant, id, request);
  }

  @Post(':id/complete')
  @HttpCode(200)
  @UseInterceptors(JsonBody(() => MAX_BODY))
  @ApiRoute({
    tag: 'Uploads',
    summary: 'Make the file of its parts',
    description: 'Their bytes must be as many as were said at the beginning. It can be repeated.',
    path: PATH,
    body: { schema: 'CompleteUpload' },
    response: { 'application/json': 'Upload' },
    errors: [...JSON_ERRORS, 'invalid_document', 'not_found', 'conflict', 'too_large'],
  })
  async completeUpload(
    @Tenant() tenant: string,
    @Param('id') id: string,
    @BodyText() text: string,
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Promise<UploadObject> {
    // Gigabytes are copied before it is answered.
    const interim = keepWaiting(request, response, this.settings.MADAKV_GATEWAY_INTERIM_MS);
    try {
      return await this.uploads.complete(tenant, id, checked(CompleteUploadSchema, parseJson(text)));
    } finally {
      interim.stop();
    }
  }

  @Post(':id/cancel')
  @HttpCode(200)
  @ApiRoute({
    tag: 'Uploads',
    summary: 'Give an upload up',
    path: PATH,
    response: { 'application/json': 'Upload' },
    errors: ['not_found', 'conflict'],
  })
  cancelUpload(@Tenant() tenant: string, @Param('id') id: string): Promise<UploadObject> {
    return this.uploads.cancel(tenant, id);
  }
}
