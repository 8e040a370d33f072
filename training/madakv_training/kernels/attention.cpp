// Attention of heads of 32 dimensions on CPUs with AMX or AVX-512 BF16, forward and backward, where each query sees two runs of keys: [0, end) and [start2, end2).
// Scores are computed transposed (keys by queries), so that what belongs to a query is a lane and softmax needs no sums across lanes; blocks of keys
// that no query of a block sees are skipped. Sums are in float, products in bfloat16. The two kinds of processor differ in who multiplies: Amx or Lanes.
#include <ATen/Parallel.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <torch/extension.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <vector>

namespace {

using at::Tensor;
using bf16 = uint16_t;

constexpr int DIM = 32;    // of a head: one row of a tile
constexpr int BLOCK = 32;  // queries, and keys, of a block: two tiles each way
constexpr int CHUNK = 8;   // blocks of keys between two looks at the maximum
constexpr float NOTHING = -1e30f;

struct alignas(64) Tile {  // 16 rows of 64 bytes
  uint32_t row[16][16];
};

inline __m512 exp2_(__m512 x) {
  const __m512 n = _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m512 r = _mm512_sub_ps(x, n);
  __m512 p = _mm512_set1_ps(0.0096181291f);
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.0555041087f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.2402265070f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.6931471806f));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1.f));
  return _mm512_scalef_ps(p, n);
}

inline __m512i pairs(__m512 even, __m512 odd) {  // bfloat16 of two rows, interleaved
  const __m512i half = _mm512_set1_epi32(0x8000);
  const __m512i a = _mm512_srli_epi32(_mm512_add_epi32(_mm512_castps_si512(even), half), 16);
  const __m512i b = _mm512_and_si512(_mm512_add_epi32(_mm512_castps_si512(odd), half), _mm512_set1_epi32(int(0xffff0000)));
  return _mm512_or_si512(a, b);
}

inline void side_by_side(void* to, __m512 left, __m512 right) { _mm512_store_si512(to, (__m512i)_mm512_cvtne2ps_pbh(right, left)); }

inline bf16 rounded(float x) {
  uint32_t u;
  std::memcpy(&u, &x, 4);
  return bf16((u + 0x7fff + ((u >> 16) & 1)) >> 16);
}

inline float widened(bf16 x) {
  const uint32_t u = uint32_t(x) << 16;
  float f;
  std::memcpy(&f, &u, 4);
  return f;
}

// One head's [tokens, DIM], with tiles in the forms that products need, padded with zeros to whole blocks.
struct Head {
  int tokens, blocks;
  std::vector<Tile> rows;    // 16 tokens x 32 dimensions: left factor over dimensions
  std::vector<Tile> turned;  // 16 pairs of dimensions x 16 tokens: right factor over dimensions
  std::vector<Tile> paired;  // for each block and half of the dimensions, 16 pairs of tokens x 16 dimensions: right factor over tokens
  std::vector<Tile> across;  // for each block and half of the dimensions, 16 dimensions x 32 tokens: left factor over tokens

  Head(const Tensor& t, int64_t batch, int64_t head, bool want_turned, bool want_paired, bool want_across) {
    tokens = t.size(2);
    blocks = (tokens + BLOCK - 1) / BLOCK;
    rows.resize(2 * blocks);
    const bf16* from = (const bf16*)t.data_ptr() + batch * t.stride(0) + head * t.stride(1);
    for (int i = 0; i < tokens; i++) std::memcpy(rows[i / 16].row[i % 16], from + i * t.stride(2), 64);
    for (int i = tokens; i < blocks * BLOCK; i++) std::memset(rows[i / 16].row[i % 16], 0, 64);
    if (want_turned) {
      turned.resize(2 * blocks);
      for (int b = 0; b < 2 * blocks; b++)
        for (int i = 0; i < 16; i++)
          for (int d = 0; d < 16; d++) turned[b].row[d][i] = rows[b].row[i][d];
    }
    if (want_paired) {
      paired.resize(2 * blocks);
      for (int b = 0; b < blocks; b++)
        for (int d = 0; d < DIM; d++)
          for (int i = 0; i < 16; i++) paired[2 * b + d / 16].row[i][d % 16] = at(b * BLOCK + 2 * i, d) | uint32_t(at(b * BLOCK + 2 * i + 1, d)) << 16;
    }
    if (want_across) {
      across.resize(2 * blocks);
      for (int b = 0; b < blocks; b++)
        for (int d = 0; d < DIM; d++)
          for (int i = 0; i < BLOCK; i++) ((bf16*)across[2 * b + d / 16].row[d % 16])[i] = at(b * BLOCK + i, d);
    }
  }

  bf16 at(int token, int d) const { return ((const bf16*)rows[token / 16].row[token % 16])[d]; }
};

// What the queries of one prompt see.
struct Ranges {
  struct Span {
    int low[3], high[3];  // least and greatest of end, start2, end2
  };
  std::vector<int> end, start2, end2;
  std::vector<Span> spans;  // of each block of queries

  Ranges(const Tensor& ranges, int64_t batch) {
    const int n = ranges.size(2), padded = (n + BLOCK - 1) / BLOCK * BLOCK;
    const int* from = ranges.data_ptr<int>() + batch * n;
    const int64_t step = ranges.size(1) * n;
    std::vector<int>* lists[3] = {&end, &start2, &end2};
    for (int k = 0; k < 3; k++) {
      lists[k]->assign(padded, 0);
      std::memcpy(lists[k]->data(), from + k * step, n * sizeof(int));
    }
    for (int b = 0; b < padded / BLOCK; b++) {
      Span s;
      for (int k = 0; k < 3; k++) {
        s.low[k] = INT32_MAX, s.high[k] = INT32_MIN;
        for (int i = b * BLOCK; i < (b + 1) * BLOCK; i++) s.low[k] = std::min(s.low[k], (*lists[k])[i]), s.high[k] = std::max(s.high[k], (*lists[k])[i]);
      }
      spans.push_back(s);
    }
  }

  enum Seen { none, some, all };

  Seen seen(int query_block, int key) const {  // of BLOCK keys from key on
    const Span& s = spans[query_block];
    const int last = key + BLOCK;
    if (last <= s.low[0] || (key >= s.high[1] && last <= s.low[2])) return all;
    if (key >= s.high[0] && (last <= s.low[1] || key >= s.high[2])) return none;
    return some;
  }

  __mmask16 mask(int query, int key) const {  // which of 16 queries see a key
    const __m512i k = _mm512_set1_epi32(key);
    const __mmask16 first = _mm512_cmplt_epi32_mask(k, _mm512_loadu_si512(&end[query]));
    return first | (_mm512_cmpge_epi32_mask(k, _mm512_loadu_si512(&start2[query])) & _mm512_cmplt_epi32_mask(k, _mm512_loadu_si512(&end2[query])));
  }
};

struct alignas(64) Scores {  // keys x queries of a block
  float at[BLOCK][BLOCK];
};

// Both multiply pairs of tiles: out[2 i + j] = or += sum over n of left[n][i] . right[n][j], where a left tile has 16 rows of 16 pairs, and a right one
// 16 rows of pairs, a pair for each of 16 columns. One is made in each thread and lives as long as it multiplies.
struct Factors {
  const Tile *left, *right;  // two tiles each
};

struct alignas(64) TileConfig {
  uint8_t palette = 1, start = 0, reserved[14] = {};
  uint16_t bytes[16] = {};
  uint8_t rows[16] = {};
};

class Amx {
 public:
  Amx() {
    TileConfig config;
    for (int i = 0; i < 8; i++) config.bytes[i] = 64, config.rows[i] = 16;
    _tile_loadconfig(&config);
  }
  ~Amx() { _tile_release(); }

  static void products(Factors f, Scores& out) {
    _tile_zero(4);
    _tile_zero(5);
    _tile_zero(6);
    _tile_zero(7);
    add(f);
    _tile_stored(4, &out.at[0][0], BLOCK * 4);
    _tile_stored(5, &out.at[0][16], BLOCK * 4);
    _tile_stored(6, &out.at[16][0], BLOCK * 4);
    _tile_stored(7, &out.at[16][16], BLOCK * 4);
  }

  static void add_products(const Factors* factors, int count, Tile* out) {
    _tile_loadd(4, out, 64);
    _tile_loadd(5, out + 1, 64);
    _tile_loadd(6, out + 2, 64);
    _tile_loadd(7, out + 3, 64);
    for (int n = 0; n < count; n++) add(factors[n]);
    _tile_stored(4, out, 64);
    _tile_stored(5, out + 1, 64);
    _tile_stored(6, out + 2, 64);
    _tile_stored(7, out + 3, 64);
  }

 private:
  static void add(Factors f) {
    _tile_loadd(0, f.left, 64);
    _tile_loadd(1, f.left + 1, 64);
    _tile_loadd(2, f.right, 64);
    _tile_loadd(3, f.right + 1, 64);
    _tile_dpbf16ps(4, 0, 2);
    _tile_dpbf16ps(5, 0, 3);
    _tile_dpbf16ps(6, 1, 2);
    _tile_dpbf16ps(7, 1, 3);
  }
};

class Lanes {
 public:
  static void products(Factors f, Scores& out) {
    for (int first = 0; first < BLOCK; first += ROWS) {
      __m512 sums[ROWS][2];
      for (int i = 0; i < ROWS; i++) sums[i][0] = sums[i][1] = _mm512_setzero_ps();
      add(f, first, sums);
      for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < 2; j++) _mm512_store_ps(&out.at[first + i][16 * j], sums[i][j]);
    }
  }

  static void add_products(const Factors* factors, int count, Tile* out) {
    for (int first = 0; first < BLOCK; first += ROWS) {
      Tile* to = out + 2 * (first / 16);
      __m512 sums[ROWS][2];
      for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < 2; j++) sums[i][j] = _mm512_load_ps(to[j].row[first % 16 + i]);
      for (int n = 0; n < count; n++) add(factors[n], first, sums);
      for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < 2; j++) _mm512_store_ps(to[j].row[first % 16 + i], sums[i][j]);
    }
  }

 private:
  static constexpr int ROWS = 8;  // of both columns of tiles: sixteen sums in registers, enough to hide how long a product takes

  static inline __attribute__((always_inline)) void add(Factors f, int first, __m512 (&sums)[ROWS][2]) {
    const uint32_t(*left)[16] = f.left[first / 16].row + first % 16;
    for (int k = 0; k < 16; k++) {
      const __m512bh a = (__m512bh)_mm512_load_si512(f.right[0].row[k]), b = (__m512bh)_mm512_load_si512(f.right[1].row[k]);
#pragma GCC unroll 8
      for (int i = 0; i < ROWS; i++) {
        const __m512bh x = (__m512bh)_mm512_set1_epi32(int(left[i][k]));
        sums[i][0] = _mm512_dpbf16_ps(sums[i][0], x, a);
        sums[i][1] = _mm512_dpbf16_ps(sums[i][1], x, b);
      }
    }
  }
};

inline float* floats(Tile& t, int row) { return (float*)t.row[row]; }

template <class Unit>
void forward_head(const Head& q, const Head& k, const Head& v, const Ranges& ranges, float scale, bf16* out, int64_t stride, float* lse) {
  const __m512 c = _mm512_set1_ps(scale * float(M_LOG2E));
  Scores scores[CHUNK];
  Tile weights[CHUNK][2];  // pairs of keys x queries
  Tile sums[4];            // dimensions x queries: [2 * half of the dimensions + half of the queries]
  for (int qb = 0; qb < q.blocks; qb++) {
    std::memset(sums, 0, sizeof sums);
    __m512 most[2] = {_mm512_set1_ps(NOTHING), _mm512_set1_ps(NOTHING)}, total[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
    for (int kb = 0; kb < k.blocks;) {
      int found[CHUNK], count = 0;
      __m512 high[2] = {most[0], most[1]};
      for (; kb < k.blocks && count < CHUNK; kb++) {
        const auto seen = ranges.seen(qb, kb * BLOCK);
        if (seen == Ranges::none) continue;
        Scores& s = scores[count];
        Unit::products({&k.rows[2 * kb], &q.turned[2 * qb]}, s);
        for (int h = 0; h < 2; h++)
          for (int i = 0; i < BLOCK; i++) {
            __m512 x = _mm512_load_ps(&s.at[i][16 * h]);
            if (seen == Ranges::some) {
              x = _mm512_mask_mov_ps(_mm512_set1_ps(NOTHING), ranges.mask(qb * BLOCK + 16 * h, kb * BLOCK + i), x);
              _mm512_store_ps(&s.at[i][16 * h], x);
            }
            high[h] = _mm512_max_ps(high[h], x);
          }
        found[count++] = kb;
      }
      if (!count) break;
      for (int h = 0; h < 2; h++) {
        if (_mm512_cmpneq_ps_mask(high[h], most[h])) {
          const __m512 less = exp2_(_mm512_mul_ps(_mm512_sub_ps(most[h], high[h]), c));
          total[h] = _mm512_mul_ps(total[h], less);
          for (int d = 0; d < DIM; d++) {
            float* at = floats(sums[2 * (d / 16) + h], d % 16);
            _mm512_store_ps(at, _mm512_mul_ps(_mm512_load_ps(at), less));
          }
          most[h] = high[h];
        }
        const __m512 base = _mm512_mul_ps(high[h], c);
        for (int n = 0; n < count; n++)
          for (int i = 0; i < 16; i++) {
            const __m512 a = exp2_(_mm512_fmsub_ps(_mm512_load_ps(&scores[n].at[2 * i][16 * h]), c, base));
            const __m512 b = exp2_(_mm512_fmsub_ps(_mm512_load_ps(&scores[n].at[2 * i + 1][16 * h]), c, base));
            total[h] = _mm512_add_ps(total[h], _mm512_add_ps(a, b));
            _mm512_store_si512(weights[n][h].row[i], pairs(a, b));
          }
      }
      Factors factors[CHUNK];
      for (int n = 0; n < count; n++) factors[n] = {&v.across[2 * found[n]], weights[n]};
      Unit::add_products(factors, count, sums);
    }
    for (int i = 0; i < BLOCK && qb * BLOCK + i < q.tokens; i++) {
      const int query = qb * BLOCK + i;
      const float l = ((float*)&total[i / 16])[i % 16];
      lse[query] = ((float*)&most[i / 16])[i % 16] * scale * float(M_LOG2E) + std::log2(l);
      for (int d = 0; d < DIM; d++) out[query * stride + d] = rounded(floats(sums[2 * (d / 16) + i / 16], d % 16)[i % 16] / l);
    }
  }
}

struct Gradients {  // of a head's tokens, float tiles
  std::vector<Tile> tiles;
  explicit Gradients(int blocks) : tiles(4 * blocks) { std::memset(tiles.data(), 0, tiles.size() * sizeof(Tile)); }
};

// lse and delta: of q's tokens, padded to whole blocks. dk, dv: [2 * half of the block's keys + half of the dimensions]; dq: [2 * half of the dimensions + half of the queries]
template <class Unit>
void backward_head(const Head& q, const Head& k, const Head& v, const Head& dout, const Ranges& ranges, float scale, const float* lse, const float* delta, Gradients& dq, Gradients& dk, Gradients& dv) {
  const __m512 c = _mm512_set1_ps(scale * float(M_LOG2E));
  Scores scores, slopes;
  Tile weights[2], flat[2], paired[2];
  for (int kb = 0; kb < k.blocks; kb++)
    for (int qb = 0; qb < q.blocks; qb++) {
      const auto seen = ranges.seen(qb, kb * BLOCK);
      if (seen == Ranges::none) continue;
      Unit::products({&k.rows[2 * kb], &q.turned[2 * qb]}, scores);
      Unit::products({&v.rows[2 * kb], &dout.turned[2 * qb]}, slopes);
      __m512 base[2], mean[2];
      for (int h = 0; h < 2; h++) base[h] = _mm512_loadu_ps(lse + qb * BLOCK + 16 * h), mean[h] = _mm512_loadu_ps(delta + qb * BLOCK + 16 * h);
      for (int i = 0; i < BLOCK; i += 2) {
        __m512 p[2][2], s[2][2];  // key, half of the queries
        for (int j = 0; j < 2; j++)
          for (int h = 0; h < 2; h++) {
            __m512 x = exp2_(_mm512_fmsub_ps(_mm512_load_ps(&scores.at[i + j][16 * h]), c, base[h]));
            if (seen == Ranges::some) x = _mm512_maskz_mov_ps(ranges.mask(qb * BLOCK + 16 * h, kb * BLOCK + i + j), x);
            p[j][h] = x;
            s[j][h] = _mm512_mul_ps(x, _mm512_sub_ps(_mm512_load_ps(&slopes.at[i + j][16 * h]), mean[h]));
          }
        for (int j = 0; j < 2; j++) {
          side_by_side(weights[(i + j) / 16].row[(i + j) % 16], p[j][0], p[j][1]);
          side_by_side(flat[(i + j) / 16].row[(i + j) % 16], s[j][0], s[j][1]);
        }
        for (int h = 0; h < 2; h++) _mm512_store_si512(paired[h].row[i / 2], pairs(s[0][h], s[1][h]));
      }
      const Factors of_values{weights, &dout.paired[2 * qb]}, of_keys{flat, &q.paired[2 * qb]}, of_queries{&k.across[2 * kb], paired};
      Unit::add_products(&of_values, 1, &dv.tiles[4 * kb]);
      Unit::add_products(&of_keys, 1, &dk.tiles[4 * kb]);
      Unit::add_products(&of_queries, 1, &dq.tiles[4 * qb]);
    }
}

void check(const Tensor& t, const char* name) {
  TORCH_CHECK(t.device().is_cpu() && t.scalar_type() == at::kBFloat16 && t.dim() == 4 && t.size(3) == DIM && t.stride(3) == 1, name, " must be bfloat16 [batch, heads, tokens, 32] on the CPU");
}

Tensor like_tokens(const Tensor& t) {  // [batch, heads, tokens, dim], heads of a token side by side
  return at::empty({t.size(0), t.size(2), t.size(1), t.size(3)}, t.options()).transpose(1, 2);
}

// q [batch, heads, Q, 32], k, v [batch, heads / groups, K, 32], ranges int32 [3 (end, start2, end2), batch, Q] -> out like q, and lse (base 2) [batch, heads, Q]
template <class Unit>
std::tuple<Tensor, Tensor> forward(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& ranges_) {
  check(q, "q"), check(k, "k"), check(v, "v");
  const Tensor ranges = ranges_.contiguous();
  const int64_t batch = q.size(0), heads = q.size(1), own = k.size(1), groups = heads / own;
  Tensor out = like_tokens(q), lse = at::empty({batch, heads, q.size(2)}, q.options().dtype(at::kFloat));
  at::parallel_for(0, batch * own, 1, [&](int64_t first, int64_t last) {
    [[maybe_unused]] const Unit unit;
    for (int64_t n = first; n < last; n++) {
      const int64_t b = n / own, kv = n % own;
      const Ranges seen(ranges, b);
      const Head keys(k, b, kv, false, false, false), values(v, b, kv, false, false, true);
      for (int64_t h = kv * groups; h < (kv + 1) * groups; h++)
        forward_head<Unit>(Head(q, b, h, true, false, false), keys, values, seen, 1 / std::sqrt(float(DIM)), (bf16*)out.data_ptr() + b * out.stride(0) + h * out.stride(1), out.stride(2), lse.data_ptr<float>() + (b * heads + h) * q.size(2));
    }
  });
  return {out, lse};
}

// The gradients of q, k and v.
template <class Unit>
std::tuple<Tensor, Tensor, Tensor> backward(const Tensor& dout_, const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& out, const Tensor& lse, const Tensor& ranges_) {
  const Tensor ranges = ranges_.contiguous(), dout = dout_.stride(3) == 1 ? dout_ : dout_.contiguous();
  const int64_t batch = q.size(0), heads = q.size(1), own = k.size(1), groups = heads / own, Q = q.size(2), K = k.size(2);
  Tensor dq = like_tokens(q), dk = like_tokens(k), dv = like_tokens(v);
  const float scale = 1 / std::sqrt(float(DIM));
  at::parallel_for(0, batch * own, 1, [&](int64_t first, int64_t last) {
    [[maybe_unused]] const Unit unit;
    for (int64_t n = first; n < last; n++) {
      const int64_t b = n / own, kv = n % own;
      const Ranges seen(ranges, b);
      const Head keys(k, b, kv, false, false, true), values(v, b, kv, false, false, false);
      Gradients of_keys(keys.blocks), of_values(keys.blocks);
      for (int64_t h = kv * groups; h < (kv + 1) * groups; h++) {
        const Head queries(q, b, h, true, true, false), slopes(dout, b, h, true, true, false);
        Gradients of_queries(queries.blocks);
        std::vector<float> base(queries.blocks * BLOCK), delta(queries.blocks * BLOCK);
        std::memcpy(base.data(), lse.data_ptr<float>() + (b * heads + h) * Q, Q * 4);
        const bf16* result = (const bf16*)out.data_ptr() + b * out.stride(0) + h * out.stride(1);
        for (int i = 0; i < Q; i++)
          for (int d = 0; d < DIM; d++) delta[i] += widened(result[i * out.stride(2) + d]) * widened(slopes.at(i, d));
        backward_head<Unit>(queries, keys, values, slopes, seen, scale, base.data(), delta.data(), of_queries, of_keys, of_values);
        bf16* to = (bf16*)dq.data_ptr() + b * dq.stride(0) + h * dq.stride(1);
        for (int i = 0; i < Q; i++)
          for (int d = 0; d < DIM; d++) to[i * dq.stride(2) + d] = rounded(scale * floats(of_queries.tiles[4 * (i / BLOCK) + 2 * (d / 16) + i % BLOCK / 16], d % 16)[i % 16]);
      }
      bf16* to_k = (bf16*)dk.data_ptr() + b * dk.stride(0) + kv * dk.stride(1);
      bf16* to_v = (bf16*)dv.data_ptr() + b * dv.stride(0) + kv * dv.stride(1);
      for (int i = 0; i < K; i++)
        for (int d = 0; d < DIM; d++) {
          const int tile = 4 * (i / BLOCK) + 2 * (i % BLOCK / 16) + d / 16;
          to_k[i * dk.stride(2) + d] = rounded(scale * floats(of_keys.tiles[tile], i % 16)[d % 16]);
          to_v[i * dv.stride(2) + d] = rounded(floats(of_values.tiles[tile], i % 16)[d % 16]);
        }
    }
  });
  return {dq, dk, dv};
}

// Linux gives a process the tile registers only when it asks for them.
bool has_amx() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("amx-bf16") && __builtin_cpu_supports("avx512bf16") && syscall(SYS_arch_prctl, 0x1023, 18) == 0;
}

bool has_lanes() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

}  // namespace

#define DEFINE(unit)                                                                                                                              \
  m.def("attention_" #unit "(Tensor q, Tensor k, Tensor v, Tensor ranges) -> (Tensor, Tensor)");                                                 \
  m.def("attention_" #unit "_backward(Tensor dout, Tensor q, Tensor k, Tensor v, Tensor out, Tensor lse, Tensor ranges) -> (Tensor, Tensor, Tensor)"); \
  m.def("has_" #unit "() -> bool", has_##unit)

TORCH_LIBRARY(madakv, m) {
  DEFINE(amx);
  DEFINE(lanes);
}

TORCH_LIBRARY_IMPL(madakv, CPU, m) {
  m.impl("attention_amx", forward<Amx>);
  m.impl("attention_amx_backward", backward<Amx>);
  m.impl("attention_lanes", forward<Lanes>);
  m.impl("attention_lanes_backward", backward<Lanes>);
}
