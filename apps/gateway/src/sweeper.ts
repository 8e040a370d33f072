import { Inject, Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { FilesService } from './files/files.service.js';
import { UploadsService } from './uploads/uploads.service.js';

const FILES_MS = 60_000;

/** Deletes uploads whose time has come. Every gateway does; whoever comes second finds nothing. */
@Injectable()
export class Sweeper implements OnApplicationBootstrap, OnModuleDestroy {
  private readonly logger = new Logger('Sweeper');
  private timer: NodeJS.Timeout | undefined;
  private isSweeping = false;

  constructor(
    @Inject(FilesService) private readonly files: FilesService,
    @Inject(UploadsService) private readonly uploads: UploadsService,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => {
      if (!this.isSweeping) void this.sweep();
    }, FILES_MS);
  }

  onModuleDestroy(): void {
    clearInterval(this.timer);
  }

  private async sweep(): Promise<void> {
    this.isSweeping = true;
    try {
      const deleted = (await this.files.sweep()) + (await this.uploads.sweep());
      if (deleted > 0) this.logger.log({ message: 'deleted expired files', deleted });
    } catch (error) {
      this.logger.warn({ message: 'expired files were not deleted; the next sweep will', error: String(error) });
    } finally {
      this.isSweeping = false;
    }
  }
}
