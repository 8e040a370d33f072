import { Inject, Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { ChatService } from './chat/chat.service.js';
import { FilesService } from './files/files.service.js';

const FILES_MS = 60_000;
const CHATS_MS = 3_600_000;

/** Deletes what nobody else will. Every gateway does; whoever comes second finds nothing. */
@Injectable()
export class Sweeper implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger('Sweeper');
  private readonly timers: NodeJS.Timeout[] = [];

  constructor(
    @Inject(FilesService) private readonly files: FilesService,
    @Inject(ChatService) private readonly chats: ChatService,
  ) {}

  onApplicationBootstrap(): void {
    this.every(FILES_MS, 'expired files', () => this.files.sweep());
    this.every(CHATS_MS, 'files of chat completions that nobody waits for', () => this.chats.sweep());
  }

  onModuleDestroy(): void {
    for (const timer of this.timers) clearInterval(timer);
  }

  private every(ms: number, what: string, sweep: () => Promise<number>): void {
    const run = async (): Promise<void> => {
      try {
        const deleted = await sweep();
        if (deleted > 0) this.logger.log({ message: 'deleted', what, deleted });
      } catch (error) {
        this.logger.warn({ message: 'not deleted; the next sweep will', what, error: String(error) });
      }
    };
    this.timers.push(setInterval(() => void run(), ms));
  }
}
