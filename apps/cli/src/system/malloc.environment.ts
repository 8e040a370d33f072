/**
 * What a worker is started with for glibc's allocator, which other C libraries ignore. By default it keeps an arena for each thread and
 * more and more of what large blocks left behind; ONNX Runtime's scratch, pages and caches are such blocks. With these, two arenas
 * serve all threads and blocks of a MiB and more go back to the system at once (docs/operations.md has figures).
 */
export const MALLOC_ENVIRONMENT = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: '1048576',
  MALLOC_TRIM_THRESHOLD_: '1048576',
} as const;
