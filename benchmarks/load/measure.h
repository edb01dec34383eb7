/* Time, latency histograms, and what a tree of processes uses (from /proc). */
#ifndef MEASURE_H
#define MEASURE_H

#include <stdint.h>

/* Log-linear: 64 buckets for each power of two of nanoseconds, so 1.6 % wide at most. */
#define HISTOGRAM_SUB 64
#define HISTOGRAM_BUCKETS (58 * HISTOGRAM_SUB + HISTOGRAM_SUB)

struct histogram {
    uint64_t count, max;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

struct usage {
    uint64_t cpu_ns;  /* all threads of all processes */
    uint64_t rss_kib; /* all processes */
    unsigned processes, threads;
};

uint64_t now_ns(void);
uint64_t own_cpu_ns(void);

void histogram_reset(struct histogram *h);
void histogram_add(struct histogram *h, uint64_t ns);
double histogram_quantile_us(const struct histogram *h, double q);

/* The process and all its descendants. Threads that ended have taken their time with them. */
struct usage usage_of(int pid);

#endif
