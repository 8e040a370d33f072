import { ChatCompletionSchema, errorBody, type RequestAnswer } from '@madakv/contracts';
import { Controller, HttpCode, Inject, Post, Req, Res, UseInterceptors } from '@nestjs/common';
import type { Request, Response } from 'express';
import type { GatewaySettings } from '../gateway.settings.js';
import { SETTINGS } from '../gateway.tokens.js';
import { toMadakvError } from '../http/error.mapping.js';
import { bodyText, JsonBody, takeBody } from '../http/json.body.js';
import { Tenant } from '../http/request.context.js';
import { ConcurrentChats } from '../limits/concurrent.chats.js';
import { ChatTokens } from '../limits/chat.tokens.js';
import { ApiRoute } from '../openapi/api.route.js';
import { CallSignals } from './call.signals.js';
import { ChatChunks } from './chat.chunks.js';
import { ChatService, type Chat } from './chat.service.js';
import { EventStream } from './event.stream.js';
import { keepWaiting } from './interim.responses.js';

@Controller('v1/chat')
export class ChatController {
  constructor(
    @Inject(ChatService) private readonly chats: ChatService,
    @Inject(ConcurrentChats) private readonly concurrent: ConcurrentChats,
    @Inject(ChatTokens) private readonly tokens: ChatTokens,
    @Inject(CallSignals) private readonly signals: CallSignals,
    @Inject(SETTINGS) private readonly settings: GatewaySettings,
  ) {}

  @Post('completions')
  @HttpCode(200)
  @UseInterceptors(JsonBody((settings) => settings.MADAKV_GATEWAY_MAX_BODY_BYTES))
  @ApiRoute({
    tag: 'Chat',
    summary: 'Answer a question about documents',
    description: 'With `stream: true` the answer comes as server-sent events, of which the last is `data: [DONE]`.',
    body: { schema: 'ChatRequest' },
    response: { 'application/json': 'ChatCompletion', 'text/event-stream': 'ChatCompletionChunk' },
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
  async createChatCompletion(
    @Tenant() tenant: string,
    @Req() request: Request,
    @Res() response: Response,
  ): Promise<void> {
    const chat = await this.chats.open(tenant, bodyText(request));
    const answer = async (): Promise<void> => {
      const { signal, release } = this.signals.of(response);
      try {
        const body = (): string => takeBody(request);
        if (chat.stream) await this.stream(chat, body, signal, response);
        else await this.answer(chat, body, signal, request, response);
      } finally {
        release();
      }
    };
    await this.concurrent.run(tenant, chat.job.requestId, () => this.tokens.run(chat, response, answer));
  }

  private async answer(
    chat: Chat,
    body: () => string,
    signal: AbortSignal,
    request: Request,
    response: Response,
  ): Promise<void> {
    const interim = keepWaiting(request, response, this.settings.MADAKV_GATEWAY_INTERIM_MS);
    try {
      sendAnswer(response, await this.chats.run(chat, body, signal, () => Promise.resolve()));
    } finally {
      interim.stop();
    }
  }

  private async stream(chat: Chat, body: () => string, signal: AbortSignal, response: Response): Promise<void> {
    const { job } = chat;
    const stream = new EventStream(response, this.settings.MADAKV_GATEWAY_HEARTBEAT_MS);
    const head = { id: job.requestId, created: Math.floor(job.acceptedAtMs / 1000), model: job.model };
    const chunks = new ChatChunks(head, chat.includeUsage);
    let spoken = false;
    const speak = async (): Promise<void> => {
      if (!spoken) await stream.send(chunks.role());
      spoken = true;
    };
    try {
      const answer = await this.chats.run(chat, body, signal, async (event) => {
        const chunk = event.kind === 'token' ? chunks.token(event) : undefined;
        if (chunk === undefined) return;
        await speak();
        await stream.send(chunk);
      });
      if (answer.status !== 200) {
        if (stream.hasBegun) await stream.send(answer.body);
        else sendAnswer(response, answer);
      } else {
        await speak();
        for (const chunk of chunks.end(ChatCompletionSchema.parse(answer.body))) await stream.send(chunk);
        await stream.send('[DONE]');
      }
    } catch (error) {
      if (!stream.hasBegun) throw error;
      // Not waited for: the caller may be one who does not read.
      void stream.send(errorBody(toMadakvError(error)));
    } finally {
      if (stream.hasBegun) stream.end();
      else stream.abandon();
    }
  }
}

function sendAnswer(response: Response, { status, body }: RequestAnswer): void {
  response.status(status).json(body);
}
