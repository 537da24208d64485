/* The fused steps for the CPU in C: one pass over the clip forward, one backward, nothing kept between them but the
   attention. `vmp.layer.kernels.native_driver` hands over tensors as addresses with layouts, and says what the sums are for.

   A clip is floats, or bytes as they were decoded. Bytes become normalised floats a part at a time, in the first-level
   cache and rounded as torch rounds them, and go through the same loops: the results are those of the float clip.

   Work is cut into items (sample, run of pixels) that stay in the cache; an item walks through time once. The loops over
   pixels have no branches, so that compilers turn them into vector instructions, and are compiled once for each
   generation of x86-64 (CLONES); the processor picks at load time. Sums are kept by item and added in their order, so
   results do not depend on the number of threads, nor on which thread did what. Threads are OpenMP's, which torch uses
   too: its pool is already awake.

   Differences and their offset from the shift are computed in float64 and rounded once: the slope, up to 50, would
   magnify the error of D. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12 && defined(__x86_64__) && defined(__gnu_linux__)
#define CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#define HAS_CLONES
#else
#define CLONES
#endif
#ifdef _OPENMP
#include <omp.h>
#define THREAD omp_get_thread_num()
#else
#define THREAD 0
#endif
#define INLINE static inline __attribute__((always_inline))

enum {
    LANES = 16,       /* pixels of the innermost loops, which are vector instructions without a remainder */
    PART = 512,       /* pixels of one loop: its buffers stay in the first-level cache */
    LONGEST = 1 << 15, /* run of pixels: its gray levels stay in the second-level cache */
    ITEMS = 8,        /* at least, where planes can be cut: work for several threads */
};

typedef struct { Py_ssize_t batch, channel, time, pixel; } Layout; /* strides in elements */
typedef struct { Py_ssize_t samples, frames, pixels; } Shape;
typedef struct { double w[3], slope, shift; int is_signed, later; } Steps;
typedef struct {
    const char *data;     /* of float or uint8_t */
    const char **frames;  /* of one sample, where each frame has memory of its own; otherwise NULL */
    Layout layout;
    int is_bytes;
    float scale[3], offset[3]; /* of bytes: x = byte * scale + offset */
} Clip;

/* e^y to 1e-7 with the coefficients of the Cephes library; ln 2 is split for an exact reduction, e^88 overflows. */
INLINE float exponential(float y) {
    y = y > 87.0f ? 87.0f : y;
    y = y < -87.0f ? -87.0f : y;
    const float round = 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer */
    union { float f; int32_t i; } shifted = {y * 1.4426950408889634f + round}, power;
    const float k = shifted.f - round;
    const float r = (y - k * 0.693359375f) + k * 2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    power.i = (int32_t)((uint32_t)(shifted.i + 127) << 23);
    return (p * (r * r) + r + 1.0f) * power.f;
}

INLINE double gray_of(const double *w, float x0, float x1, float x2) {
    return w[0] * (double)x0 + (w[1] * (double)x1 + w[2] * (double)x2);
}

INLINE void grays(const float *x0, const float *x1, const float *x2, const Steps *steps, double *gray, int count) {
    const double w[3] = {steps->w[0], steps->w[1], steps->w[2]};
#pragma omp simd
    for (int i = 0; i < count; i++) gray[i] = gray_of(w, x0[i], x1[i], x2[i]);
}

/* `count` pixels of one plane: where they lie if they lie side by side, otherwise gathered into `spare`. */
INLINE const float *plane(const float *from, Py_ssize_t step, int count, float *spare) {
    if (step == 1) return from;
    for (int i = 0; i < count; i++) spare[i] = from[i * step];
    return spare;
}

/* Channels last: the three floats of a pixel side by side. One loop over all three, which compilers turn into shuffles. */
INLINE int is_interleaved(Layout layout) { return layout.pixel == 3 && layout.channel == 1; }

INLINE void split(const float *from, float out[3][PART], int count) {
#pragma omp simd
    for (int i = 0; i < count; i++) out[0][i] = from[3 * i], out[1][i] = from[3 * i + 1], out[2][i] = from[3 * i + 2];
}

/* The three planes of `count` pixels of floats: where they lie, or in `spare`. */
INLINE void planes(const float *from, Layout layout, int count, float spare[3][PART], const float **x) {
    for (int c = 0; c < 3; c++) x[c] = spare[c];
    if (is_interleaved(layout)) split(from, spare, count);
    else
        for (int c = 0; c < 3; c++) x[c] = plane(from + c * layout.channel, layout.pixel, count, spare[c]);
}

INLINE Py_ssize_t size_of(const Clip *clip) { return clip->is_bytes ? 1 : sizeof(float); }

INLINE const char *address(const Clip *clip, Py_ssize_t sample, Py_ssize_t time, Py_ssize_t pixel) {
    const Layout at = clip->layout;
    if (clip->frames) return clip->frames[time] + pixel * at.pixel * size_of(clip);
    return clip->data + (sample * at.batch + time * at.time + pixel * at.pixel) * size_of(clip);
}

/* One rounding, as torch's addcmul on every processor that has the instruction; elsewhere fmaf is a slow function. */
#if defined(FP_FAST_FMAF) || defined(HAS_CLONES)
#define MULTIPLY_ADD(x, y, z) fmaf(x, y, z)
#else
#define MULTIPLY_ADD(x, y, z) ((x) * (y) + (z))
#endif

INLINE void normalize(const uint8_t *from, Py_ssize_t step, float scale, float offset, float *out, int count) {
    if (step == 1) { /* separate loops, since vector instructions need to know the step */
#pragma omp simd
        for (int i = 0; i < count; i++) out[i] = MULTIPLY_ADD((float)from[i], scale, offset);
        return;
    }
    for (int i = 0; i < count; i++) out[i] = MULTIPLY_ADD((float)from[i * step], scale, offset);
}

INLINE void normalize_interleaved(const uint8_t *from, const float *scale, const float *offset, float out[3][PART],
                                  int count) {
    const float s0 = scale[0], s1 = scale[1], s2 = scale[2], o0 = offset[0], o1 = offset[1], o2 = offset[2];
#pragma omp simd
    for (int i = 0; i < count; i++) {
        out[0][i] = MULTIPLY_ADD((float)from[3 * i], s0, o0);
        out[1][i] = MULTIPLY_ADD((float)from[3 * i + 1], s1, o1);
        out[2][i] = MULTIPLY_ADD((float)from[3 * i + 2], s2, o2);
    }
}

/* The same of a clip. */
INLINE void load(const Clip *clip, const char *from, int count, float spare[3][PART], const float **x) {
    const Layout at = clip->layout;
    if (!clip->is_bytes) {
        planes((const float *)from, at, count, spare, x);
        return;
    }
    for (int c = 0; c < 3; c++) x[c] = spare[c];
    if (is_interleaved(at))
        normalize_interleaved((const uint8_t *)from, clip->scale, clip->offset, spare, count);
    else
        for (int c = 0; c < 3; c++)
            normalize((const uint8_t *)from + c * at.channel, at.pixel, clip->scale[c], clip->offset[c], spare[c], count);
}

/* z = a (D - b), or a (|D| - b). `gray` holds the gray levels of the frame before, and those of this one afterwards. */
INLINE double exponents(const float *x0, const float *x1, const float *x2, const Steps *steps, double *gray, float *z,
                        int count) {
    const double w[3] = {steps->w[0], steps->w[1], steps->w[2]}, a = steps->slope, offset = -a * steps->shift;
    double total = 0;
    if (steps->is_signed) {
#pragma omp simd reduction(+ : total)
        for (int i = 0; i < count; i++) {
            const double g = gray_of(w, x0[i], x1[i], x2[i]), d = a * (g - gray[i]) + offset;
            gray[i] = g;
            z[i] = (float)d;
            total += d;
        }
    } else {
#pragma omp simd reduction(+ : total)
        for (int i = 0; i < count; i++) {
            const double g = gray_of(w, x0[i], x1[i], x2[i]), d = a * fabs(g - gray[i]) + offset;
            gray[i] = g;
            z[i] = (float)d;
            total += d;
        }
    }
    return total;
}

/* What to fetch while exponentials are computed, which hides the memory behind them: the part after this one. Steps are
   in bytes. */
typedef struct { const char *from; Py_ssize_t channel, pixel; } Next;

INLINE Next ahead(const char *now, Layout layout, Py_ssize_t size, int begin, int count, int is_last_frame) {
    const char *next = now + PART * layout.pixel * size;
    if (begin + PART >= count) next = is_last_frame ? now : now + (layout.time - begin * layout.pixel) * size;
    return (Next){next, layout.channel * size, layout.pixel * size};
}

INLINE void fetch(Next next, int i) {
    for (int c = 0; c < 3; c++) __builtin_prefetch(next.from + c * next.channel + i * next.pixel);
}

INLINE void attentions(const float *z, float *attention, Next next, int count) {
    int i = 0;
    for (; i + LANES <= count; i += LANES) {
        fetch(next, i);
#pragma omp simd
        for (int j = i; j < i + LANES; j++) attention[j] = 1.0f / (1.0f + exponential(-z[j]));
    }
    for (; i < count; i++) attention[i] = 1.0f / (1.0f + exponential(-z[i]));
}

INLINE double squared_distance(const float *x, const float *y, int count) {
    float total = 0;
#pragma omp simd reduction(+ : total)
    for (int i = 0; i < count; i++) total += (x[i] - y[i]) * (x[i] - y[i]);
    return total;
}

/* Memory past the cache: an ordinary store first reads the line that it overwrites, a third of all traffic. */
INLINE void product(const float *weight, const float *x, float *out, Py_ssize_t step, int past_cache, int count) {
    if (step != 1) {
        for (int i = 0; i < count; i++) out[i * step] = weight[i] * x[i];
        return;
    }
#ifdef __SSE2__
    if (past_cache) {
        for (int i = 0; i < count; i += 4) _mm_stream_ps(out + i, _mm_mul_ps(_mm_loadu_ps(weight + i), _mm_loadu_ps(x + i)));
        return;
    }
#endif
#pragma omp simd
    for (int i = 0; i < count; i++) out[i] = weight[i] * x[i];
}

INLINE void product_interleaved(const float *weight, const float **x, float *out, int count) {
    const float *x0 = x[0], *x1 = x[1], *x2 = x[2];
#pragma omp simd
    for (int i = 0; i < count; i++) {
        out[3 * i] = weight[i] * x0[i];
        out[3 * i + 1] = weight[i] * x1[i];
        out[3 * i + 2] = weight[i] * x2[i];
    }
}

/* Stores past the cache are not ordered with others: to be called before anybody is told of them. */
INLINE void in_order(int past_cache) {
#ifdef __SSE2__
    if (past_cache) _mm_sfence();
#endif
}

typedef struct {
    Clip clip;
    float *prompt;
    Layout prompt_layout;
    float *attention;
    const float *before; /* of one sample: the map before the first, or NULL */
    double *by_map;      /* of one sample and one thread: squares of V for each map, added to; or NULL */
    Shape shape;
    Steps steps;
    int past_cache; /* every part then starts on 16 bytes and holds a multiple of 4 pixels */
} Forward;

CLONES static void forward_item(const Forward *job, Py_ssize_t sample, Py_ssize_t first, int count, double *gray,
                                double *sums) {
    const Clip *clip = &job->clip;
    const Layout to = job->prompt_layout;
    const Py_ssize_t pixels = job->shape.pixels, maps = job->shape.frames - 1;
    double total = 0, squares = 0;
    float z[PART], spare[3][PART];
    for (Py_ssize_t t = -1; t < maps; t++) {
        for (int begin = 0; begin < count; begin += PART) {
            const int size = count - begin < PART ? count - begin : PART;
            const char *new = address(clip, sample, t + 1, first + begin);
            const float *x[3];
            load(clip, new, size, spare, x);
            if (t < 0) {
                grays(x[0], x[1], x[2], &job->steps, gray + begin, size);
                continue;
            }
            total += exponents(x[0], x[1], x[2], &job->steps, gray + begin, z, size);
            float *attention = job->attention + (sample * maps + t) * pixels + first + begin;
            attentions(z, attention, ahead(new, clip->layout, size_of(clip), begin, count, t == maps - 1), size);
            const float *before = t > 0 ? attention - pixels : job->before ? job->before + first + begin : NULL;
            if (before) {
                const double square = squared_distance(attention, before, size);
                squares += square;
                if (job->by_map) job->by_map[t] += square;
            }
            if (!job->steps.later) load(clip, address(clip, sample, t, first + begin), size, spare, x);
            float *out = job->prompt + sample * to.batch + t * to.time + (first + begin) * to.pixel;
            if (is_interleaved(to)) {
                product_interleaved(attention, x, out, size);
                continue;
            }
            for (int c = 0; c < 3; c++)
                product(attention, x[c], out + c * to.channel, to.pixel, job->past_cache, size);
        }
    }
    in_order(job->past_cache);
    sums[0] = total, sums[1] = squares;
}

typedef struct {
    Clip clip;
    const float *attention; /* as the forward pass wrote it */
    const float *grad;      /* of the prompt */
    Layout grad_layout;
    const float *grad_maps; /* of the attention, or NULL */
    Layout grad_maps_layout;
    float *grad_clip; /* contiguous, or NULL */
    Shape shape;
    Steps steps;
    float scale; /* dL/dV * 2 / (number of terms of V) */
} Backward;

/* dL/dA of a part, from the prompt: the inner product of its gradient with the prompted frame. */
INLINE void inner(const float *const *g, const float *const *x, float *out, int count) {
    const float *g0 = g[0], *g1 = g[1], *g2 = g[2], *x0 = x[0], *x1 = x[1], *x2 = x[2];
#pragma omp simd
    for (int i = 0; i < count; i++) out[i] = g0[i] * x0[i] + (g1[i] * x1[i] + g2[i] * x2[i]);
}

/* dL/dz = dL/dA A' in place; adds it, and itself times z, to the lanes of `sums`. A' = e A^2 with e = exp(-z), since
   1 - A has no accuracy left where A is nearly 1. */
INLINE void chain(float *step, const float *z, float sums[2][LANES], int count) {
#pragma omp simd
    for (int j = 0; j < count; j++) {
        const float e = exponential(-z[j]), x = 1.0f / (1.0f + e), g = step[j] * ((e * x) * x);
        step[j] = g;
        sums[0][j] += g;
        sums[1][j] += g * z[j];
    }
}

/* Signs of D; `gray` holds the gray levels of the frame before. */
INLINE void signs(const float *x0, const float *x1, const float *x2, const Steps *steps, const double *gray, float *sign,
                  int count) {
    const double w[3] = {steps->w[0], steps->w[1], steps->w[2]};
#pragma omp simd
    for (int i = 0; i < count; i++) {
        const double d = gray_of(w, x0[i], x1[i], x2[i]) - gray[i];
        sign[i] = (float)((d > 0) - (d < 0));
    }
}

/* Adds one pair's share to the gradient of its earlier frame, and begins that of its later frame with it. */
INLINE void clip_gradient(float *early, float *late, const float *weight, const float *g, const float *step, float aw,
                          int later, int count) {
    if (later) {
#pragma omp simd
        for (int i = 0; i < count; i++) {
            early[i] -= aw * step[i];
            late[i] = aw * step[i] + weight[i] * g[i];
        }
    } else {
#pragma omp simd
        for (int i = 0; i < count; i++) {
            early[i] += weight[i] * g[i] - aw * step[i];
            late[i] = aw * step[i];
        }
    }
}

CLONES static void backward_item(const Backward *job, Py_ssize_t sample, Py_ssize_t first, int count, double *gray,
                                 double *sums) {
    const Clip *clip = &job->clip;
    const Layout to = job->grad_layout, by = job->grad_maps_layout;
    const Py_ssize_t pixels = job->shape.pixels, frames = job->shape.frames, maps = frames - 1;
    float z[PART], step[PART], sign[PART], spare[3][PART], spare_grad[3][PART], spare_map[PART];
    sums[0] = sums[1] = 0;
    for (Py_ssize_t t = -1; t < maps; t++) {
        for (int begin = 0; begin < count; begin += PART) {
            const int size = count - begin < PART ? count - begin : PART;
            const char *new = address(clip, sample, t + 1, first + begin);
            const float *x[3], *g[3];
            load(clip, new, size, spare, x);
            float *early = NULL;
            if (job->grad_clip) early = job->grad_clip + (sample * 3 * frames + t) * pixels + first + begin;
            if (t < 0) {
                grays(x[0], x[1], x[2], &job->steps, gray + begin, size);
                if (early)
                    for (int c = 0; c < 3; c++) memset(early + (c * frames + 1) * pixels, 0, size * sizeof(float));
                continue;
            }
            if (early && !job->steps.is_signed) signs(x[0], x[1], x[2], &job->steps, gray + begin, sign, size);
            exponents(x[0], x[1], x[2], &job->steps, gray + begin, z, size);
            if (!job->steps.later) load(clip, address(clip, sample, t, first + begin), size, spare, x);
            const float *grad = job->grad + sample * to.batch + t * to.time + (first + begin) * to.pixel;
            planes(grad, to, size, spare_grad, g);
            inner(g, x, step, size);
            if (job->grad_maps) {
                const float *more = job->grad_maps + sample * by.batch + t * by.time + (first + begin) * by.pixel;
                more = plane(more, by.pixel, size, spare_map);
#pragma omp simd
                for (int i = 0; i < size; i++) step[i] += more[i];
            }
            const float *attention = job->attention + (sample * maps + t) * pixels + first + begin;
            if (job->scale != 0) { /* at the ends the missing neighbour is the map itself, which adds nothing */
                const float *before = t > 0 ? attention - pixels : attention;
                const float *behind = t < maps - 1 ? attention + pixels : attention;
                const float scale = job->scale;
#pragma omp simd
                for (int i = 0; i < size; i++)
                    step[i] += scale * ((attention[i] - before[i]) + (attention[i] - behind[i]));
            }
            const Next next = ahead(new, clip->layout, size_of(clip), begin, count, t == maps - 1);
            const Next next_grad = ahead((const char *)grad, to, sizeof *grad, begin, count, t == maps - 1);
            float lanes[2][LANES] = {{0}}; /* of a part; parts are added in float64 */
            int i = 0;
            for (; i + LANES <= size; i += LANES) {
                fetch(next, i), fetch(next_grad, i);
                chain(step + i, z + i, lanes, LANES);
            }
            chain(step + i, z + i, lanes, size - i);
            for (int j = 0; j < LANES; j++) sums[0] += lanes[0][j], sums[1] += lanes[1][j];
            if (!early) continue;
            if (!job->steps.is_signed) {
#pragma omp simd
                for (int i = 0; i < size; i++) step[i] *= sign[i];
            }
            for (int c = 0; c < 3; c++)
                clip_gradient(early + c * frames * pixels, early + (c * frames + 1) * pixels, attention, g[c], step,
                              (float)(job->steps.slope * job->steps.w[c]), job->steps.later, size);
        }
    }
}

typedef struct {
    Clip clip;
    float *out; /* contiguous */
    Shape shape;
} Normalize;

CLONES static void normalize_item(const Normalize *job, Py_ssize_t sample, Py_ssize_t first, int count, double *gray,
                                  double *sums) {
    const Py_ssize_t pixels = job->shape.pixels, frames = job->shape.frames;
    float spare[3][PART];
    (void)gray;
    for (Py_ssize_t t = 0; t < frames; t++) {
        for (int begin = 0; begin < count; begin += PART) {
            const int size = count - begin < PART ? count - begin : PART;
            const float *x[3];
            load(&job->clip, address(&job->clip, sample, t, first + begin), size, spare, x);
            for (int c = 0; c < 3; c++)
                memcpy(job->out + ((sample * 3 + c) * frames + t) * pixels + first + begin, x[c], size * sizeof(float));
        }
    }
    sums[0] = sums[1] = 0;
}

/* How many runs of pixels a plane is cut into; each begins on a line of memory if the plane does. Long runs are read as
   few long streams; the number of threads has no say, or sums would depend on it. */
static Py_ssize_t runs_of(Shape shape, int *length) {
    Py_ssize_t runs = (shape.pixels + LONGEST - 1) / LONGEST;
    if (shape.samples * runs < ITEMS) runs = (ITEMS + shape.samples - 1) / shape.samples;
    *length = (int)(((shape.pixels + runs - 1) / runs + 15) / 16 * 16);
    return (shape.pixels + *length - 1) / *length;
}

/* Calls WORK for every item on `threads` threads; `out` gets the two sums. */
#define FOR_ITEMS(WORK)                                                                                             \
    int length;                                                                                                     \
    const Py_ssize_t runs = runs_of(job.shape, &length), items = job.shape.samples * runs;                          \
    double out[2] = {0, 0}, (*sums)[2] = malloc(items * sizeof *sums);                                              \
    double *gray = malloc(threads * length * sizeof *gray);                                                         \
    if (!sums || !gray) {                                                                                           \
        free(sums), free(gray);                                                                                     \
        return PyErr_NoMemory();                                                                                    \
    }                                                                                                               \
    Py_BEGIN_ALLOW_THREADS                                                                                          \
    _Pragma("omp parallel for schedule(dynamic) num_threads(threads) if (threads > 1)")                             \
    for (Py_ssize_t item = 0; item < items; item++) {                                                               \
        const Py_ssize_t first = item % runs * length, left = job.shape.pixels - first;                             \
        WORK(&job, item / runs, first, (int)(left < length ? left : length), gray + THREAD * length, sums[item]);   \
    }                                                                                                               \
    for (Py_ssize_t item = 0; item < items; item++) out[0] += sums[item][0], out[1] += sums[item][1];               \
    Py_END_ALLOW_THREADS                                                                                            \
    free(sums), free(gray)

#define ADDRESS "K"
#define LAYOUT "(nnnn)"
#define SHAPE "(nnn)"
#define STEPS "((ddd)ddpp)"
#define CLIP "(" ADDRESS LAYOUT "p(fff)(fff))"
#define TO_LAYOUT(l) &(l).batch, &(l).channel, &(l).time, &(l).pixel
#define TO_SHAPE(s) &(s).samples, &(s).frames, &(s).pixels
#define TO_STEPS(s) &(s).w[0], &(s).w[1], &(s).w[2], &(s).slope, &(s).shift, &(s).is_signed, &(s).later
#define TO_THREE(x) &(x)[0], &(x)[1], &(x)[2]
#define TO_CLIP(c) &clip, TO_LAYOUT((c).layout), &(c).is_bytes, TO_THREE((c).scale), TO_THREE((c).offset)

/* An array of the addresses in a tuple, to be freed; NULL with an exception set. */
static const char **addresses(PyObject *tuple) {
    const Py_ssize_t count = PyTuple_GET_SIZE(tuple);
    const char **out = malloc(count * sizeof *out);
    if (!out) return (const char **)PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < count; i++)
        out[i] = (const char *)(uintptr_t)PyLong_AsUnsignedLongLong(PyTuple_GET_ITEM(tuple, i));
    if (!PyErr_Occurred()) return out;
    free(out);
    return NULL;
}

static PyObject *forward(PyObject *module, PyObject *arguments) {
    unsigned long long clip, prompt, attention;
    int threads;
    Forward job = {{0}};
    if (!PyArg_ParseTuple(arguments, SHAPE STEPS CLIP ADDRESS LAYOUT ADDRESS "pi", TO_SHAPE(job.shape),
                          TO_STEPS(job.steps), TO_CLIP(job.clip), &prompt, TO_LAYOUT(job.prompt_layout), &attention,
                          &job.past_cache, &threads))
        return NULL;
    job.clip.data = (const char *)(uintptr_t)clip, job.prompt = (float *)(uintptr_t)prompt;
    job.attention = (float *)(uintptr_t)attention;
    FOR_ITEMS(forward_item);
    return Py_BuildValue("dd", out[0], out[1]);
}

static PyObject *forward_frames(PyObject *module, PyObject *arguments) {
    unsigned long long prompt, attention, before, squares;
    PyObject *frames; /* a tuple of addresses */
    const int threads = 1;
    Forward job = {{0}};
    if (!PyArg_ParseTuple(arguments, SHAPE STEPS "O!(fff)(fff)" ADDRESS ADDRESS ADDRESS ADDRESS "p", TO_SHAPE(job.shape),
                          TO_STEPS(job.steps), &PyTuple_Type, &frames, TO_THREE(job.clip.scale),
                          TO_THREE(job.clip.offset), &prompt, &attention, &before, &squares, &job.past_cache))
        return NULL;
    const Py_ssize_t pixels = job.shape.pixels, maps = job.shape.frames - 1;
    job.clip.layout = (Layout){0, 1, 0, 3}, job.clip.is_bytes = 1;
    job.prompt = (float *)(uintptr_t)prompt, job.prompt_layout = (Layout){0, maps * pixels, pixels, 1};
    job.attention = (float *)(uintptr_t)attention, job.before = (const float *)(uintptr_t)before;
    job.by_map = (double *)(uintptr_t)squares;
    if (!(job.clip.frames = addresses(frames))) return NULL;
    FOR_ITEMS(forward_item);
    free(job.clip.frames);
    return Py_BuildValue("dd", out[0], out[1]);
}

static PyObject *backward(PyObject *module, PyObject *arguments) {
    unsigned long long clip, attention, grad, grad_maps, grad_clip;
    int threads;
    Backward job = {{0}};
    if (!PyArg_ParseTuple(arguments, SHAPE STEPS CLIP ADDRESS ADDRESS LAYOUT ADDRESS LAYOUT "f" ADDRESS "i",
                          TO_SHAPE(job.shape), TO_STEPS(job.steps), TO_CLIP(job.clip), &attention, &grad,
                          TO_LAYOUT(job.grad_layout), &grad_maps, TO_LAYOUT(job.grad_maps_layout), &job.scale,
                          &grad_clip, &threads))
        return NULL;
    job.clip.data = (const char *)(uintptr_t)clip, job.attention = (const float *)(uintptr_t)attention;
    job.grad = (const float *)(uintptr_t)grad, job.grad_maps = (const float *)(uintptr_t)grad_maps;
    job.grad_clip = (float *)(uintptr_t)grad_clip;
    FOR_ITEMS(backward_item);
    return Py_BuildValue("dd", out[0], out[1]);
}

static PyObject *normalize_clip(PyObject *module, PyObject *arguments) {
    unsigned long long clip, to;
    int threads;
    Normalize job = {{0}};
    if (!PyArg_ParseTuple(arguments, SHAPE CLIP ADDRESS "i", TO_SHAPE(job.shape), TO_CLIP(job.clip), &to, &threads))
        return NULL;
    job.clip.data = (const char *)(uintptr_t)clip, job.out = (float *)(uintptr_t)to;
    FOR_ITEMS(normalize_item);
    return PyFloat_FromDouble(out[0] + out[1]);
}

static PyMethodDef methods[] = {
    {"normalize", normalize_clip, METH_VARARGS, "Write a clip as contiguous floats; return 0."},
    {"forward", forward, METH_VARARGS, "Write prompt and attention; return (sum of all z, sum of squares of V)."},
    {"backward", backward, METH_VARARGS, "Return (sum of dL/dz, sum of dL/dz z); write the clip's gradient if asked."},
    {"forward_frames", forward_frames, METH_VARARGS, "`forward` of separate frames of bytes, with the squares of V by map."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "vmp.layer.kernels.native", NULL, -1, methods};

PyMODINIT_FUNC PyInit_native(void) { return PyModule_Create(&definition); }
