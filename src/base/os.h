/* What the operating system tells: processors, memory, time. The only place with system differences. */
#ifndef TESSERA_BASE_OS_H
#define TESSERA_BASE_OS_H

#include <stddef.h>
#include <stdint.h>

/* Processors this process may use (affinity and cgroup quota), at least 1. */
int os_n_cpus(void);
/* Memory that could still be taken now: the smaller of what the machine and its cgroup have left. */
size_t os_memory_available_bytes(void);
/* Resident set of this process, now and at its highest. */
size_t os_rss_bytes(void);
size_t os_rss_peak_bytes(void);
/* Monotonic clock. */
int64_t os_now_ns(void);

#endif
