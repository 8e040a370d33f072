/**
 * What a worker is started with for glibc's allocator; other C libraries ignore it. By default that has an arena for each thread and,
 * having seen large blocks freed, keeps blocks of up to 32 MiB in them: after some pages hundreds of MiB, of which most is free. With
 * these, two arenas serve all threads and blocks of 4 MiB and more go back to the system as they are freed (docs/operations.md has figures).
 */
export const MALLOC_ENVIRONMENT = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: '4194304',
  MALLOC_TRIM_THRESHOLD_: '16777216',
} as const;
