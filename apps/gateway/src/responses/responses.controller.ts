import {
  chatBodyOf,
  checkCreateResponse,
  ChatCompletionSchema,
  errorBody,
  ErrorBodySchema,
  inResponseTerms,
  MadakvError,
  parseJson,
  renamed,
  type CreateResponse,
  type ErrorBody,
  type RequestAnswer,
  type ResponseEvent,
} from '@madakv/contracts';
import { Controller, HttpCode, Inject, Post, Req, Res, UseInterceptors } from '@nestjs/common';
import type { Request, Response } from 'express';
import { CallSignals } from '../chat/call.signals.js';
import { ChatService, type Chat } from '../chat/chat.service.js';
import { EventStream } from '../chat/event.stream.js';
import { keepWaiting } from '../chat/interim.responses.js';
import type { GatewaySettings } from '../gateway.settings.js';
import { SETTINGS } from '../gateway.tokens.js';
import { toMadakvError } from '../http/error.mapping.js';
import { JsonBody, takeBody } from '../http/json.body.js';
import { Tenant } from '../http/request.context.js';
import { ConcurrentChats } from '../limits/concurrent.chats.js';
import { ChatTokens } from '../limits/chat.tokens.js';
import { ApiRoute } from '../openapi/api.route.js';
import { ResponseEvents } from './response.events.js';

/** A response that is about to be made. */
interface Call {
  readonly chat: Chat;
  readonly asked: CreateResponse;
  readonly events: ResponseEvents;
  /** The body of its chat completion; called once. */
  readonly body: () => string;
}

/** OpenAI's newer way to ask: what comes in is made a chat completion, and what comes out a response. */
@Controller('v1/responses')
export class ResponsesController {
  constructor(
    @Inject(ChatService) private readonly chats: ChatService,
    @Inject(ConcurrentChats) private readonly concurrent: ConcurrentChats,
    @Inject(ChatTokens) private readonly tokens: ChatTokens,
    @Inject(CallSignals) private readonly signals: CallSignals,
    @Inject(SETTINGS) private readonly settings: GatewaySettings,
  ) {}

  @Post()
  @HttpCode(200)
  @UseInterceptors(JsonBody((settings) => settings.MADAKV_GATEWAY_MAX_BODY_BYTES))
  @ApiRoute({
    tag: 'Chat',
    summary: 'Answer a question about documents, as a response',
    description: 'Without tools, and without state on the server: a conversation is sent whole.',
    body: { schema: 'CreateResponse' },
    response: { 'application/json': 'Response', 'text/event-stream': 'ResponseEvent' },
    errors: [
      'invalid_request',
      'invalid_json',
      'invalid_document',
      'context_length_exceeded',
      'cache_ratio_too_small',
      'exceeds_device_memory',
      'document_unavailable',
      'model_not_found',
      'too_large',
      'request_timeout',
      'unsupported_media_type',
      'timeout',
    ],
  })
  async createResponse(@Tenant() tenant: string, @Req() request: Request, @Res() response: Response): Promise<void> {
    const call = await this.open(tenant, takeBody(request));
    const answer = async (): Promise<void> => {
      const { signal, release } = this.signals.of(response);
      try {
        if (call.chat.stream) await this.stream(call, signal, response);
        else await this.answer(call, signal, request, response);
      } finally {
        release();
      }
    };
    await this.concurrent.run(tenant, call.chat.job.requestId, () => this.tokens.run(call.chat, response, answer));
  }

  private async open(tenant: string, text: string): Promise<Call> {
    const asked = checkCreateResponse(parseJson(text));
    let body = JSON.stringify(chatBodyOf(asked));
    const chat = await this.chats.open(tenant, body).catch((error: unknown) => {
      throw error instanceof MadakvError ? inResponseTerms(error, asked) : error;
    });
    // What is said of it afterwards needs its questions no more, which may be tens of megabytes.
    const kept = { ...asked, input: typeof asked.input === 'string' ? '' : [] };
    const { requestId, acceptedAtMs } = chat.job;
    const take = (): string => {
      const taken = body;
      body = '';
      return taken;
    };
    return { chat, asked: kept, events: new ResponseEvents(kept, requestId, seconds(acceptedAtMs)), body: take };
  }

  private async answer(call: Call, signal: AbortSignal, request: Request, response: Response): Promise<void> {
    const interim = keepWaiting(request, response, this.settings.MADAKV_GATEWAY_INTERIM_MS);
    try {
      const answer = await this.chats.run(call.chat, call.body, signal, () => Promise.resolve());
      if (answer.status !== 200) response.status(answer.status).json(errorOf(answer, call));
      else response.json(call.events.response(ChatCompletionSchema.parse(answer.body), seconds(Date.now())));
    } finally {
      interim.stop();
    }
  }

  private async stream(call: Call, signal: AbortSignal, response: Response): Promise<void> {
    const { chat, events, body } = call;
    const stream = new EventStream(response, this.settings.MADAKV_GATEWAY_HEARTBEAT_MS);
    const send = (event: ResponseEvent): Promise<void> => stream.send(event, event.type);
    let spoken = false;
    const speak = async (): Promise<void> => {
      if (!spoken) for (const event of events.start()) await send(event);
      spoken = true;
    };
    try {
      const answer = await this.chats.run(chat, body, signal, async (event) => {
        if (event.kind !== 'token') return;
        await speak();
        const delta = events.token(event);
        if (delta !== undefined) await send(delta);
      });
      if (answer.status !== 200) {
        const failure = errorOf(answer, call);
        if (stream.hasBegun) await send(events.error(failure.error));
        else response.status(answer.status).json(failure);
      } else {
        await speak();
        for (const event of events.end(ChatCompletionSchema.parse(answer.body), seconds(Date.now()))) await send(event);
      }
    } catch (error) {
      if (!stream.hasBegun) throw error;
      // Not waited for: the caller may be one who does not read.
      void send(events.error(errorBody(toMadakvError(error)).error));
    } finally {
      if (stream.hasBegun) stream.end();
      else stream.abandon();
    }
  }
}

/** The error that a chat completion was answered with, in the response's own names. */
function errorOf({ body }: RequestAnswer, { asked }: Call): ErrorBody {
  const { error } = ErrorBodySchema.parse(body);
  const param = error.param === null ? null : renamed(error.param, asked);
  return { error: { ...error, message: renamed(error.message, asked), param } };
}

function seconds(ms: number): number {
  return Math.floor(ms / 1000);
}
