import type { Webhook, WebhookDeleted, WebhookDelivery, WebhookWithSecret } from '@madakv/contracts';
import { Controller, Delete, Get, HttpCode, Inject, Param, Post, UseInterceptors } from '@nestjs/common';
import { CheckedQuery } from '../http/checked.query.js';
import { BodyText, JsonBody } from '../http/json.body.js';
import { BatchPageSchema, listBody, type BatchPage, type ListBody } from '../http/page.query.js';
import { Tenant } from '../http/request.context.js';
import { ApiRoute } from '../openapi/api.route.js';
import { WebhooksService } from './webhooks.service.js';

const PATH = { id: 'Id of a webhook.' };
/** In bytes. */
const MAX_BODY = 16 * 1024;
const BODY_ERRORS = [
  'invalid_request',
  'invalid_json',
  'too_large',
  'unsupported_media_type',
  'request_timeout',
] as const;

/** Who is told when a batch ends. */
@Controller('v1/webhooks')
export class WebhooksController {
  constructor(@Inject(WebhooksService) private readonly webhooks: WebhooksService) {}

  @Post()
  @HttpCode(200)
  @UseInterceptors(JsonBody(() => MAX_BODY))
  @ApiRoute({
    tag: 'Webhooks',
    summary: 'Create a webhook',
    description:
      'Events are signed with the secret of the answer, which is not shown again, as Standard Webhooks has it.',
    body: { schema: 'CreateWebhook' },
    response: { 'application/json': 'WebhookWithSecret' },
    errors: [...BODY_ERRORS, 'conflict'],
  })
  createWebhook(@Tenant() tenant: string, @BodyText() text: string): Promise<WebhookWithSecret> {
    return this.webhooks.create(tenant, text);
  }

  @Get()
  @ApiRoute({
    tag: 'Webhooks',
    summary: 'List webhooks, oldest first',
    response: { 'application/json': 'WebhookList' },
  })
  async listWebhooks(
    @Tenant() tenant: string,
  ): Promise<{ readonly object: 'list'; readonly data: readonly Webhook[] }> {
    return { object: 'list', data: await this.webhooks.list(tenant) };
  }

  @Get(':id')
  @ApiRoute({
    tag: 'Webhooks',
    summary: 'Get a webhook',
    path: PATH,
    response: { 'application/json': 'Webhook' },
    errors: ['not_found'],
  })
  getWebhook(@Tenant() tenant: string, @Param('id') id: string): Promise<Webhook> {
    return this.webhooks.get(tenant, id);
  }

  @Post(':id')
  @HttpCode(200)
  @UseInterceptors(JsonBody(() => MAX_BODY))
  @ApiRoute({
    tag: 'Webhooks',
    summary: 'Change a webhook',
    description: 'Keys that are left out stay as they are.',
    path: PATH,
    body: { schema: 'UpdateWebhook' },
    response: { 'application/json': 'Webhook' },
    errors: [...BODY_ERRORS, 'not_found'],
  })
  updateWebhook(@Tenant() tenant: string, @Param('id') id: string, @BodyText() text: string): Promise<Webhook> {
    return this.webhooks.update(tenant, id, text);
  }

  @Delete(':id')
  @ApiRoute({
    tag: 'Webhooks',
    summary: 'Delete a webhook',
    path: PATH,
    response: { 'application/json': 'WebhookDeleted' },
    errors: ['not_found'],
  })
  async deleteWebhook(@Tenant() tenant: string, @Param('id') id: string): Promise<WebhookDeleted> {
    await this.webhooks.delete(tenant, id);
    return { id, object: 'webhook', deleted: true };
  }

  @Post(':id/rotate')
  @HttpCode(200)
  @UseInterceptors(JsonBody(() => MAX_BODY))
  @ApiRoute({
    tag: 'Webhooks',
    summary: 'Give a webhook a new secret',
    description: 'The secret before signs beside it for `keep_seconds`, a day by default.',
    path: PATH,
    body: { schema: 'RotateWebhook' },
    response: { 'application/json': 'WebhookWithSecret' },
    errors: [...BODY_ERRORS, 'not_found'],
  })
  rotateWebhook(
    @Tenant() tenant: string,
    @Param('id') id: string,
    @BodyText() text: string,
  ): Promise<WebhookWithSecret> {
    return this.webhooks.rotate(tenant, id, text);
  }

  @Get(':id/deliveries')
  @ApiRoute({
    tag: 'Webhooks',
    summary: 'List deliveries of a webhook, newest first',
    description: 'The last 1,000 of 30 days.',
    path: PATH,
    query: BatchPageSchema,
    response: { 'application/json': 'WebhookDeliveryPage' },
    errors: ['invalid_request', 'not_found'],
  })
  async listWebhookDeliveries(
    @Tenant() tenant: string,
    @Param('id') id: string,
    @CheckedQuery(BatchPageSchema) query: BatchPage,
  ): Promise<ListBody<WebhookDelivery>> {
    return listBody(await this.webhooks.deliveries(tenant, id, query));
  }

  @Post(':id/deliveries/:delivery/repeat')
  @HttpCode(200)
  @ApiRoute({
    tag: 'Webhooks',
    summary: 'Deliver an event once more',
    description:
      'At once, and with as many attempts as the first time; one that waits for its next attempt is hastened.',
    path: { ...PATH, delivery: 'Id of a delivery.' },
    response: { 'application/json': 'WebhookDelivery' },
    errors: ['not_found', 'conflict'],
  })
  repeatWebhookDelivery(
    @Tenant() tenant: string,
    @Param('id') id: string,
    @Param('delivery') delivery: string,
  ): Promise<WebhookDelivery> {
    return this.webhooks.repeat(tenant, id, delivery);
  }
}
