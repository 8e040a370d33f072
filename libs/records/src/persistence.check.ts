import type { Redis } from 'ioredis';

/**
 * What keeps this Redis from holding jobs safely; empty when nothing does. Uses INFO alone, as managed services refuse CONFIG.
 */
export async function persistenceProblems(redis: Redis): Promise<string[]> {
  const info = await redis.info('persistence');
  const memory = await redis.info('memory');
  const of = (text: string, name: string): string | undefined => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(text)?.[1];
  const problems: string[] = [];
  if (of(info, 'aof_enabled') === '0') {
    problems.push('append-only persistence is off: a restart of Redis loses accepted jobs; set "appendonly yes"');
  }
  const policy = of(memory, 'maxmemory_policy');
  if (policy !== undefined && policy !== 'noeviction') {
    problems.push(`maxmemory-policy is ${policy}: Redis may drop accepted jobs; set "maxmemory-policy noeviction"`);
  }
  if (of(info, 'aof_last_write_status') === 'err') problems.push('the last write of the append-only file failed');
  return problems;
}
