/* Memory of a thread, kept from call to call until the thread ends. */
#ifndef SHORTLIST_MEMORY_H
#define SHORTLIST_MEMORY_H

#include <stddef.h>

/* At least `size` bytes, on a cache line; fresh memory is zeroed. NULL where there is none. */
char *thread_memory(size_t size);

#endif
