#include "measure.h"

#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t clock_ns(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t now_ns(void) { return clock_ns(CLOCK_MONOTONIC); }

uint64_t own_cpu_ns(void) { return clock_ns(CLOCK_PROCESS_CPUTIME_ID); }

/* --- Histogram ------------------------------------------------------------------------------------- */

static unsigned bucket_of(uint64_t ns) {
    if (ns < HISTOGRAM_SUB) return (unsigned)ns;
    unsigned exponent = 63u - (unsigned)__builtin_clzll(ns); /* 6 or more */
    return (exponent - 5) * HISTOGRAM_SUB + (unsigned)((ns >> (exponent - 6)) & (HISTOGRAM_SUB - 1));
}

static uint64_t middle_of(unsigned bucket) {
    if (bucket < HISTOGRAM_SUB) return bucket;
    unsigned shift = bucket / HISTOGRAM_SUB - 1;
    uint64_t low = (uint64_t)(HISTOGRAM_SUB + bucket % HISTOGRAM_SUB) << shift;
    return low + ((1ull << shift) >> 1);
}

void histogram_reset(struct histogram *h) { memset(h, 0, sizeof *h); }

void histogram_add(struct histogram *h, uint64_t ns) {
    h->count++;
    if (ns > h->max) h->max = ns;
    h->buckets[bucket_of(ns)]++;
}

double histogram_quantile_us(const struct histogram *h, double q) {
    uint64_t wanted = (uint64_t)(q * (double)h->count), seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen > wanted) return (double)middle_of(i) / 1000.0;
    }
    return (double)h->max / 1000.0;
}

/* --- A tree of processes --------------------------------------------------------------------------- */

static uint64_t cpu_of_thread(int pid, int tid) {
    char path[64];
    unsigned long long ns = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/schedstat", pid, tid);
    FILE *f = fopen(path, "r");
    if (f == NULL) return 0;
    if (fscanf(f, "%llu", &ns) != 1) ns = 0;
    fclose(f);
    return ns;
}

static uint64_t rss_of(int pid) {
    char path[64], line[256];
    unsigned long long kib = 0;
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *f = fopen(path, "r");
    if (f == NULL) return 0;
    while (fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, "VmRSS: %llu", &kib) == 1) break;
    fclose(f);
    return kib;
}

static void add_children(int pid, int tid, struct usage *sum);

static void add_process(int pid, struct usage *sum) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *tasks = opendir(path);
    if (tasks == NULL) return;
    sum->processes++;
    sum->rss_kib += rss_of(pid);
    for (struct dirent *entry; (entry = readdir(tasks)) != NULL;) {
        if (!isdigit((unsigned char)entry->d_name[0])) continue;
        int tid = atoi(entry->d_name);
        sum->threads++;
        sum->cpu_ns += cpu_of_thread(pid, tid);
        add_children(pid, tid, sum);
    }
    closedir(tasks);
}

static void add_children(int pid, int tid, struct usage *sum) {
    char path[64];
    int child;
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", pid, tid);
    FILE *f = fopen(path, "r");
    if (f == NULL) return;
    while (fscanf(f, "%d", &child) == 1) add_process(child, sum);
    fclose(f);
}

struct usage usage_of(int pid) {
    struct usage sum = {0};
    if (pid > 0) add_process(pid, &sum);
    return sum;
}
