/* What the extension adds to tessera.h: the same functions with arguments that Python hands over quickly, and Ctrl-C. */

typedef tsr_array *(*glue_binary)(tsr_array *, tsr_array *);

/* op(a, value), or op(value, a) if `reflected`, where the number takes the dtype it has beside `a` (tsr_scalar_like). */
tsr_array *glue_with_bool(glue_binary op, tsr_array *a, bool value, bool reflected);
tsr_array *glue_with_int(glue_binary op, tsr_array *a, int64_t value, bool reflected);
tsr_array *glue_with_float(glue_binary op, tsr_array *a, double value, bool reflected);
tsr_array *glue_with_complex(glue_binary op, tsr_array *a, double real, double imag, bool reflected);

/* tsr_slice of items that are four numbers each: the kind (tsr_index_kind) plus 4, 8 and 16 for a start, stop and step that are
 * given; start; stop; step. At most GLUE_MAX_ITEMS. */
enum { GLUE_MAX_ITEMS = 64 };
tsr_array *glue_slice(tsr_array *a, int n_items, const int64_t *items);

/* Between the two, an interrupt (SIGINT) cancels what the session computes, besides what it did before. Main thread only. What the first
 * returns is for the second: the session of the computation around this one, or NULL. */
tsr_session *glue_interrupts_begin(tsr_session *session);
void glue_interrupts_end(tsr_session *outer);

/* worker_leave of src/cluster/leave.h: others take over what only this worker has; tsr_worker_wait tells when. */
tsr_status glue_worker_leave(tsr_worker *worker);

/* Logs of schedulers and workers in this process: src/base/log.h. The library writes lines from its own threads, which must not
 * wait for Python's lock: somebody may hold it for long. level: as in tsr_log_callback. NULL on failure, with the error set. Nobody
 * closes them: they are as many as there are schedulers and workers. */
typedef struct glue_logger glue_logger;
glue_logger *glue_logger_new(const char *role, const char *path, int level, bool is_json);
void glue_logger_write(glue_logger *logger, int level, const char *text);
/* Nothing is written any more. */
void glue_logger_silence(glue_logger *logger);
/* A tsr_log_callback, whose context is a logger. */
void glue_log(void *context, int level, const char *text);
