/* The fused steps for the CPU in C: one pass over the clip forward, one backward, nothing kept between them but the
   attention. `vmp.layer.kernels.native_driver` hands over tensors as addresses with layouts, and says what the sums are for.

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

/* Where the part after this one begins. Fetching it while exponentials are computed hides the memory behind them. */
INLINE const float *ahead(const float *now, Layout layout, int begin, int count, int is_last_frame) {
    if (begin + PART < count) return now + PART * layout.pixel;
    return is_last_frame ? now : now + layout.time - begin * layout.pixel;
}

INLINE void fetch(const float *from, Layout layout, int i) {
    for (int c = 0; c < 3; c++) __builtin_prefetch(from + c * layout.channel + i * layout.pixel);
}

/* next: what to fetch meanwhile, or NULL. */
INLINE void attentions(const float *z, float *attention, const float *next, Layout layout, int count) {
    int i = 0;
    for (; i + LANES <= count; i += LANES) {
        if (next) fetch(next, layout, i);
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

/* Stores past the cache are not ordered with others: to be called before anybody is told of them. */
INLINE void in_order(int past_cache) {
#ifdef __SSE2__
    if (past_cache) _mm_sfence();
#endif
}

typedef struct {
    const float *clip;
    Layout clip_layout;
    float *prompt;
    Layout prompt_layout;
    float *attention;
    Shape shape;
    Steps steps;
    int past_cache; /* every part then starts on 16 bytes and holds a multiple of 4 pixels */
} Forward;

CLONES static void forward_item(const Forward *job, Py_ssize_t sample, Py_ssize_t first, int count, double *gray,
                                double *sums) {
    const Layout in = job->clip_layout, to = job->prompt_layout;
    const Py_ssize_t pixels = job->shape.pixels, maps = job->shape.frames - 1;
    double total = 0, squares = 0;
    float z[PART], spare[2][3][PART];
    for (Py_ssize_t t = -1; t < maps; t++) {
        for (int begin = 0; begin < count; begin += PART) {
            const int size = count - begin < PART ? count - begin : PART;
            const float *new = job->clip + sample * in.batch + (t + 1) * in.time + (first + begin) * in.pixel;
            const float *x0 = plane(new, in.pixel, size, spare[0][0]);
            const float *x1 = plane(new + in.channel, in.pixel, size, spare[0][1]);
            const float *x2 = plane(new + 2 * in.channel, in.pixel, size, spare[0][2]);
            if (t < 0) {
                grays(x0, x1, x2, &job->steps, gray + begin, size);
                continue;
            }
            total += exponents(x0, x1, x2, &job->steps, gray + begin, z, size);
            float *attention = job->attention + (sample * maps + t) * pixels + first + begin;
            attentions(z, attention, ahead(new, in, begin, count, t == maps - 1), in, size);
            if (t > 0) squares += squared_distance(attention, attention - pixels, size);
            if (!job->steps.later) {
                const float *old = new - in.time;
                x0 = plane(old, in.pixel, size, spare[1][0]);
                x1 = plane(old + in.channel, in.pixel, size, spare[1][1]);
                x2 = plane(old + 2 * in.channel, in.pixel, size, spare[1][2]);
            }
            float *out = job->prompt + sample * to.batch + t * to.time + (first + begin) * to.pixel;
            product(attention, x0, out, to.pixel, job->past_cache, size);
            product(attention, x1, out + to.channel, to.pixel, job->past_cache, size);
            product(attention, x2, out + 2 * to.channel, to.pixel, job->past_cache, size);
        }
    }
    in_order(job->past_cache);
    sums[0] = total, sums[1] = squares;
}

typedef struct {
    const float *clip;
    Layout clip_layout;
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
    const Layout in = job->clip_layout, to = job->grad_layout, by = job->grad_maps_layout;
    const Py_ssize_t pixels = job->shape.pixels, frames = job->shape.frames, maps = frames - 1;
    float z[PART], step[PART], sign[PART], spare[2][3][PART], spare_grad[3][PART], spare_map[PART];
    sums[0] = sums[1] = 0;
    for (Py_ssize_t t = -1; t < maps; t++) {
        for (int begin = 0; begin < count; begin += PART) {
            const int size = count - begin < PART ? count - begin : PART;
            const float *new = job->clip + sample * in.batch + (t + 1) * in.time + (first + begin) * in.pixel;
            const float *x[3], *g[3];
            for (int c = 0; c < 3; c++) x[c] = plane(new + c * in.channel, in.pixel, size, spare[0][c]);
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
            if (!job->steps.later)
                for (int c = 0; c < 3; c++) x[c] = plane(new - in.time + c * in.channel, in.pixel, size, spare[1][c]);
            const float *grad = job->grad + sample * to.batch + t * to.time + (first + begin) * to.pixel;
            for (int c = 0; c < 3; c++) g[c] = plane(grad + c * to.channel, to.pixel, size, spare_grad[c]);
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
            const float *next = ahead(new, in, begin, count, t == maps - 1);
            const float *next_grad = ahead(grad, to, begin, count, t == maps - 1);
            float lanes[2][LANES] = {{0}}; /* of a part; parts are added in float64 */
            int i = 0;
            for (; i + LANES <= size; i += LANES) {
                fetch(next, in, i), fetch(next_grad, to, i);
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
    const uint8_t **frames; /* consecutive, each (pixels, 3) as it was decoded */
    float *prompt;          /* (3, frames - 1, pixels) */
    float *attention;       /* (frames - 1, pixels) */
    const float *before;    /* the map before the first, or NULL */
    Shape shape;
    Steps steps;               /* weights of bytes, w_c / 255 */
    float scale[3], offset[3]; /* x = byte * scale - offset */
    int past_cache;
} Bytes;

INLINE void unpack(const uint8_t *bytes, float x[3][PART], int count) {
#pragma omp simd
    for (int i = 0; i < count; i++) {
        x[0][i] = bytes[3 * i];
        x[1][i] = bytes[3 * i + 1];
        x[2][i] = bytes[3 * i + 2];
    }
}

/* squares: (frames - 1) sums of squared differences of each map to the one before it, added to. */
CLONES static void bytes_item(const Bytes *job, Py_ssize_t first, int count, double *gray, double *squares) {
    const Py_ssize_t pixels = job->shape.pixels, maps = job->shape.frames - 1;
    float z[PART], x[3][PART];
    for (Py_ssize_t t = -1; t < maps; t++) {
        for (int begin = 0; begin < count; begin += PART) {
            const int size = count - begin < PART ? count - begin : PART;
            const Py_ssize_t at = first + begin;
            unpack(job->frames[t + 1] + 3 * at, x, size);
            if (t < 0) {
                grays(x[0], x[1], x[2], &job->steps, gray + begin, size);
                continue;
            }
            exponents(x[0], x[1], x[2], &job->steps, gray + begin, z, size);
            float *attention = job->attention + t * pixels + at;
            attentions(z, attention, NULL, (Layout){0}, size);
            const float *before = t > 0 ? attention - pixels : job->before ? job->before + at : NULL;
            if (before) squares[t] += squared_distance(attention, before, size);
            if (!job->steps.later) unpack(job->frames[t] + 3 * at, x, size);
            for (int c = 0; c < 3; c++) {
                const float scale = job->scale[c], offset = job->offset[c];
#pragma omp simd
                for (int i = 0; i < size; i++) z[i] = x[c][i] * scale - offset;
                product(attention, z, job->prompt + (c * maps + t) * pixels + at, 1, job->past_cache, size);
            }
        }
    }
    in_order(job->past_cache);
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
#define TO_LAYOUT(l) &(l).batch, &(l).channel, &(l).time, &(l).pixel
#define TO_SHAPE(s) &(s).samples, &(s).frames, &(s).pixels
#define TO_STEPS(s) &(s).w[0], &(s).w[1], &(s).w[2], &(s).slope, &(s).shift, &(s).is_signed, &(s).later

static PyObject *forward(PyObject *module, PyObject *arguments) {
    unsigned long long clip, prompt, attention;
    int threads;
    Forward job;
    if (!PyArg_ParseTuple(arguments, SHAPE STEPS ADDRESS LAYOUT ADDRESS LAYOUT ADDRESS "pi", TO_SHAPE(job.shape),
                          TO_STEPS(job.steps), &clip, TO_LAYOUT(job.clip_layout), &prompt, TO_LAYOUT(job.prompt_layout),
                          &attention, &job.past_cache, &threads))
        return NULL;
    job.clip = (const float *)(uintptr_t)clip, job.prompt = (float *)(uintptr_t)prompt;
    job.attention = (float *)(uintptr_t)attention;
    FOR_ITEMS(forward_item);
    return Py_BuildValue("dd", out[0], out[1]);
}

static PyObject *backward(PyObject *module, PyObject *arguments) {
    unsigned long long clip, attention, grad, grad_maps, grad_clip;
    int threads;
    Backward job;
    if (!PyArg_ParseTuple(arguments, SHAPE STEPS ADDRESS LAYOUT ADDRESS ADDRESS LAYOUT ADDRESS LAYOUT "f" ADDRESS "i",
                          TO_SHAPE(job.shape), TO_STEPS(job.steps), &clip, TO_LAYOUT(job.clip_layout), &attention, &grad,
                          TO_LAYOUT(job.grad_layout), &grad_maps, TO_LAYOUT(job.grad_maps_layout), &job.scale,
                          &grad_clip, &threads))
        return NULL;
    job.clip = (const float *)(uintptr_t)clip, job.attention = (const float *)(uintptr_t)attention;
    job.grad = (const float *)(uintptr_t)grad, job.grad_maps = (const float *)(uintptr_t)grad_maps;
    job.grad_clip = (float *)(uintptr_t)grad_clip;
    FOR_ITEMS(backward_item);
    return Py_BuildValue("dd", out[0], out[1]);
}

static PyObject *forward_bytes(PyObject *module, PyObject *arguments) {
    unsigned long long prompt, attention, before, squares;
    PyObject *frames; /* a tuple of addresses */
    Bytes job;
    if (!PyArg_ParseTuple(arguments, SHAPE STEPS "(fff)(fff)O!" ADDRESS ADDRESS ADDRESS ADDRESS "p", TO_SHAPE(job.shape),
                          TO_STEPS(job.steps), &job.scale[0], &job.scale[1], &job.scale[2], &job.offset[0],
                          &job.offset[1], &job.offset[2], &PyTuple_Type, &frames, &prompt, &attention, &before, &squares,
                          &job.past_cache))
        return NULL;
    job.prompt = (float *)(uintptr_t)prompt, job.attention = (float *)(uintptr_t)attention;
    job.before = (const float *)(uintptr_t)before;
    int length;
    const Py_ssize_t runs = runs_of(job.shape, &length);
    double *gray = malloc(length * sizeof *gray);
    job.frames = malloc(job.shape.frames * sizeof *job.frames);
    if (!gray || !job.frames) {
        free(gray), free(job.frames);
        return PyErr_NoMemory();
    }
    for (Py_ssize_t t = 0; t < job.shape.frames; t++)
        job.frames[t] = (const uint8_t *)(uintptr_t)PyLong_AsUnsignedLongLong(PyTuple_GetItem(frames, t));
    if (!PyErr_Occurred()) {
        Py_BEGIN_ALLOW_THREADS
        for (Py_ssize_t run = 0; run < runs; run++) {
            const Py_ssize_t first = run * length, left = job.shape.pixels - first;
            bytes_item(&job, first, (int)(left < length ? left : length), gray, (double *)(uintptr_t)squares);
        }
        Py_END_ALLOW_THREADS
    }
    free(gray), free(job.frames);
    if (PyErr_Occurred()) return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"forward", forward, METH_VARARGS, "Write prompt and attention; return (sum of all z, sum of squares of V)."},
    {"backward", backward, METH_VARARGS, "Return (sum of dL/dz, sum of dL/dz z); write the clip's gradient if asked."},
    {"forward_bytes", forward_bytes, METH_VARARGS, "`forward` of decoded frames, with the squares of V by map."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "vmp.layer.kernels.native", NULL, -1, methods};

PyMODINIT_FUNC PyInit_native(void) { return PyModule_Create(&definition); }
