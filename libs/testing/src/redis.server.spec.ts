import { afterEach, expect, it, vi } from 'vitest';
import { startRedis } from './redis.server.js';

afterEach(() => {
  vi.unstubAllEnvs();
});

it('says what to install where there is no redis-server', async () => {
  vi.stubEnv('PATH', '/nonexistent');
  await expect(startRedis()).rejects.toThrow('apt-get install redis-server');
});
