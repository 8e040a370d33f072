import {
  BatchLineDetailSchema,
  BatchLinePageSchema,
  BatchObjectSchema,
  ChatCompletionChunkSchema,
  ChatCompletionSchema,
  ChatRequestSchema,
  ComparisonSchema,
  CompleteUploadSchema,
  CreateBatchSchema,
  CreateResponseSchema,
  CreateSessionSchema,
  CreateUploadSchema,
  CreateWebhookSchema,
  ErrorBodySchema,
  ErrorGroupListSchema,
  ExpirySecondsSchema,
  FileDeletedSchema,
  FileObjectSchema,
  HeatSchema,
  HistorySchema,
  ModelObjectSchema,
  OverviewSchema,
  RecentRequestListSchema,
  RequestTextSchema,
  ResponseEventSchema,
  ResponseObjectSchema,
  RotateWebhookSchema,
  SessionLinkSchema,
  SessionSchema,
  TraceDocumentSchema,
  TraceViewSchema,
  UpdateWebhookSchema,
  UploadObjectSchema,
  UploadPartSchema,
  UploadPurposeSchema,
  UsageReportSchema,
  WebhookDeletedSchema,
  WebhookDeliverySchema,
  WebhookEventSchema,
  WebhookSchema,
  WebhookWithSecretSchema,
} from '@madakv/contracts';
import { z } from 'zod';

const list = <T extends z.ZodType>(item: T) => z.object({ object: z.literal('list'), data: z.array(item) });
const page = <T extends z.ZodType>(item: T) =>
  list(item).extend({ has_more: z.boolean(), first_id: z.string().nullable(), last_id: z.string().nullable() });

/** The schemas of requests and responses, by their names in the OpenAPI document. */
const API_SCHEMAS = {
  Error: ErrorBodySchema,
  File: FileObjectSchema,
  FilePage: page(FileObjectSchema),
  FileDeleted: FileDeletedSchema,
  UploadFile: z.strictObject({
    file: z
      .string()
      .meta({ description: 'The content, with a file name.', contentMediaType: 'application/octet-stream' }),
    purpose: UploadPurposeSchema,
    'expires_after[anchor]': z.literal('created_at').optional(),
    'expires_after[seconds]': ExpirySecondsSchema.optional(),
  }),
  CreateUpload: CreateUploadSchema,
  Upload: UploadObjectSchema,
  AddUploadPart: z.strictObject({
    data: z.string().meta({ description: 'The content.', contentMediaType: 'application/octet-stream' }),
  }),
  UploadPart: UploadPartSchema,
  CompleteUpload: CompleteUploadSchema,
  CreateBatch: CreateBatchSchema,
  Batch: BatchObjectSchema,
  BatchPage: page(BatchObjectSchema),
  ChatRequest: ChatRequestSchema,
  ChatCompletion: ChatCompletionSchema,
  ChatCompletionChunk: ChatCompletionChunkSchema,
  CreateResponse: CreateResponseSchema,
  Response: ResponseObjectSchema,
  ResponseEvent: ResponseEventSchema,
  Model: ModelObjectSchema,
  ModelList: list(ModelObjectSchema),
  Trace: TraceDocumentSchema,
  TraceView: TraceViewSchema,
  Heat: HeatSchema,
  RequestText: RequestTextSchema,
  Comparison: ComparisonSchema,
  RecentRequests: RecentRequestListSchema,
  BatchLinePage: BatchLinePageSchema,
  BatchLineDetail: BatchLineDetailSchema,
  ErrorGroups: ErrorGroupListSchema,
  Overview: OverviewSchema,
  History: HistorySchema,
  UsageReport: UsageReportSchema,
  CreateSession: CreateSessionSchema,
  Session: SessionSchema,
  SessionLink: SessionLinkSchema,
  CreateWebhook: CreateWebhookSchema,
  UpdateWebhook: UpdateWebhookSchema,
  RotateWebhook: RotateWebhookSchema,
  Webhook: WebhookSchema,
  WebhookWithSecret: WebhookWithSecretSchema,
  WebhookList: list(WebhookSchema),
  WebhookDeleted: WebhookDeletedSchema,
  WebhookEvent: WebhookEventSchema,
  WebhookDelivery: WebhookDeliverySchema,
  WebhookDeliveryPage: page(WebhookDeliverySchema),
} as const;
export type ApiSchemaName = keyof typeof API_SCHEMAS;

export const schemaReference = (name: ApiSchemaName): { readonly $ref: string } => ({
  $ref: `#/components/schemas/${name}`,
});

/** JSON Schemas of all that is sent and received, each referring to the others by name. */
export function componentSchemas(): Record<string, object> {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(API_SCHEMAS)) registry.add(schema, { id });
  const { schemas } = z.toJSONSchema(registry, { io: 'input', uri: (id) => `#/components/schemas/${id}` });
  for (const schema of Object.values(schemas)) {
    // Dialect and address are the document's.
    delete schema.$schema;
    delete schema.$id;
  }
  return schemas;
}

/** JSON Schemas of the keys of a query string, and whether each must be there. */
export function queryParameters(schema: z.ZodObject): { name: string; schema: object }[] {
  const { properties = {} } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  return Object.entries(properties).map(([name, property]) => ({ name, schema: property as object }));
}
