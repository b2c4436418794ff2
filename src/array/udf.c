/* Functions from C source: compiled into a shared library once per machine and kept in the user's cache folder.
 *
 *   ~/.cache/tessera/HASH.so     the library, then 8 bytes "TSRUDF01" and the 128-bit hash of all that is before them
 *
 * HASH is that of the preamble, the source, the flags, the compiler's command and version, and the machine's name: the code is
 * compiled for its processor. A library is written under a temporary name and renamed, so it is there whole or not at all; one
 * whose end does not fit, or that does not load, is made anew. What is in the folder is code that will run: the folder must
 * belong to the user, and nobody else may be able to write to it. Any thread. */
#define _GNU_SOURCE
#include "array/udf.h"

#include "array/session.h"
#include "array/udf_preamble.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/strbuf.h"
#include "base/vec.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A loaded library. The session owns it until it closes. */
struct udf_library {
    session_object object; /* first */
    void *handle;
    char *name;           /* for errors: the file, or what stands for it */
    char *source, *flags; /* it was compiled from; source NULL: it was there */
    hash128 identity;     /* of what was compiled */
};

/* ---- Loaded libraries ---------------------------------------------------------------------------------------------- */

static void drop(session_object *object, long n_handles)
{
    udf_library *u = (udf_library *)object;
    dlclose(u->handle);
    mem_free(u->name);
    mem_free(u->source);
    mem_free(u->flags);
    mem_free(u);
}

/* Takes the handle. source: NULL, or what it was compiled from. */
static tsr_status keep(tsr_session *session, void *handle, const char *name, const char *source, const char *flags,
                       hash128 identity, udf_library **out)
{
    udf_library *u = mem_calloc(1, sizeof *u);
    if (!u) {
        dlclose(handle);
        return TSR_ERR_MEMORY;
    }
    *u = (udf_library){.object.drop = drop, .handle = handle, .identity = identity};
    u->name = mem_strdup(name);
    u->source = source ? mem_strdup(source) : NULL;
    u->flags = mem_strdup(flags ? flags : "");
    if (!u->name || !u->flags || (source && !u->source)) {
        drop(&u->object, 1);
        return TSR_ERR_MEMORY;
    }
    session_object_keep(session, &u->object);
    *out = u;
    return TSR_OK;
}

/* What the library itself defines under a name (and not one that it uses); NULL. *own_name lives as long as the library. */
static void *find_symbol(const udf_library *u, const char *symbol, const char **own_name)
{
    struct link_map *map;
    Dl_info info;
    void *found = dlsym(u->handle, symbol);
    if (!found || dlinfo(u->handle, RTLD_DI_LINKMAP, &map) != 0 || dladdr(found, &info) == 0) return NULL;
    if ((uintptr_t)info.dli_fbase != (uintptr_t)map->l_addr || !info.dli_sname) return NULL;
    *own_name = info.dli_sname;
    return found;
}

bool udf_library_find(const udf_library *u, const char *symbol, tsr_function *out)
{
    const char *name;
    void *found = find_symbol(u, symbol, &name);
    *out = (tsr_function){0};
    if (!found) return false;
    *out = (tsr_function){.name = name, .identity = &u->identity, .identity_bytes = sizeof u->identity};
    memcpy(&out->call, &found, sizeof found); /* POSIX: a pointer to a function fits into one to data */
    return true;
}

bool udf_library_dtype(const udf_library *u, const char *symbol, tsr_dtype *out)
{
    char text[256];
    const char *name;
    if (snprintf(text, sizeof text, "%s_dtype", symbol) >= (int)sizeof text) return false;
    const int *found = find_symbol(u, text, &name);
    if (!found || !tsr_dtype_name((tsr_dtype)*found)) return false;
    *out = (tsr_dtype)*found;
    return true;
}

static tsr_status find_function(const udf_library *u, const char *symbol, tsr_function *out)
{
    if (udf_library_find(u, symbol, out)) return TSR_OK;
    return error_set(TSR_ERR_NOT_FOUND, "%s: there is no function '%s'", u->name, symbol);
}

tsr_status tsr_udf_load(tsr_session *session, const char *library, const char *symbol, tsr_function *function)
{
    udf_library *u;
    *function = (tsr_function){0};
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (!handle) return error_set(TSR_ERR_IO, "%s: cannot be loaded: %s", library, dlerror());
    TRY(keep(session, handle, library, NULL, NULL, hash_bytes(library, strlen(library)), &u));
    return find_function(u, symbol, function);
}

/* ---- The compiler -------------------------------------------------------------------------------------------------- */

typedef struct words {
    VEC(const char *) list; /* ended by NULL, once complete */
    char *text;             /* what they were cut from */
} words;

/* Adds the words of a text, cut at blanks. The list borrows from the copy, which lives as long. */
static tsr_status split(const char *text, words *w)
{
    char *rest;
    w->text = mem_strdup(text);
    if (!w->text) return TSR_ERR_MEMORY;
    for (char *word = strtok_r(w->text, " \t\n", &rest); word; word = strtok_r(NULL, " \t\n", &rest))
        if (!VEC_PUSH(&w->list, word)) return TSR_ERR_MEMORY;
    return TSR_OK;
}

static void words_fini(words *w)
{
    VEC_FINI(&w->list);
    mem_free(w->text);
}

static const char *compiler_command(void)
{
    const char *cc = getenv("CC");
    return cc && cc[strspn(cc, " \t")] ? cc : "cc";
}

/* Runs the compiler with more arguments (ended by NULL). */
static tsr_status run_compiler(const char *const *arguments, const char *flags, const char *input, strbuf *said, int *exit_code)
{
    words cc = {0}, extra = {0};
    tsr_status status;
    GUARD(split(compiler_command(), &cc));
    for (int i = 0; arguments[i]; i++)
        if (!VEC_PUSH(&cc.list, arguments[i])) GUARD(TSR_ERR_MEMORY);
    if (flags) GUARD(split(flags, &extra));
    for (size_t i = 0; i < extra.list.n; i++)
        if (!VEC_PUSH(&cc.list, extra.list.items[i])) GUARD(TSR_ERR_MEMORY);
    if (!VEC_PUSH(&cc.list, NULL)) GUARD(TSR_ERR_MEMORY);
    status = process_run(cc.list.items, input, said, exit_code);
    if (status == TSR_ERR_IO)
        status = error_set(TSR_ERR_IO, "the C compiler does not run: %s; install one, or name one in the environment's CC",
                           tsr_error_message());
done:
    words_fini(&cc);
    words_fini(&extra);
    return status;
}

#if defined(__x86_64__) || defined(__i386__)
static const char native_flag[] = "-march=native";
#else
static const char native_flag[] = "-O3";
#endif

/* The beginning of what the compiler said, in whole lines, as much as an error holds. */
static tsr_status compile_failure(const char *name, const char *said)
{
    enum { MOST = 700 };
    size_t n = strlen(said);
    if (n > MOST) {
        n = MOST;
        while (n > 0 && said[n] != '\n') n--;
        if (n == 0) n = MOST;
    }
    while (n > 0 && said[n - 1] == '\n') n--;
    return error_set(TSR_ERR_SYNTAX, "%s does not compile:\n%.*s", name, (int)n, said);
}

static tsr_status compile(const char *name, const char *program, const char *flags, const char *output)
{
    char bytes[64];
    snprintf(bytes, sizeof bytes, "-DTSR_BLOCK_BYTES=%zu", sizeof(tsr_block));
    const char *const arguments[] = {
        "-std=gnu11", "-O3", native_flag, "-ffp-contract=off", "-fPIC", "-shared", "-Wl,-Bsymbolic", bytes, "-x", "c", "-", "-o",
        output,       "-lm", NULL};
    strbuf said = {0};
    int code = 0;
    tsr_status status = run_compiler(arguments, flags, program, &said, &code);
    if (status == TSR_OK && code != 0) {
        char *text = strbuf_take(&said);
        status = text ? compile_failure(name, text) : TSR_ERR_MEMORY;
        mem_free(text);
    }
    strbuf_fini(&said);
    return status;
}

/* ---- The cache ----------------------------------------------------------------------------------------------------- */

static const char seal_mark[8] = {'T', 'S', 'R', 'U', 'D', 'F', '0', '1'};
typedef struct seal {
    char mark[sizeof seal_mark];
    hash128 hash;
} seal;

static tsr_status read_file(const char *path, int flags, char **out, size_t *n)
{
    struct stat facts;
    *out = NULL;
    int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0) return error_errno(errno, "cannot open '%s'", path);
    tsr_status status = fstat(fd, &facts) == 0 ? TSR_OK : error_errno(errno, "cannot read '%s'", path);
    *n = status == TSR_OK ? (size_t)facts.st_size : 0;
    *out = status == TSR_OK ? mem_alloc(*n + 1) : NULL;
    if (status == TSR_OK && !*out) status = TSR_ERR_MEMORY;
    for (size_t done = 0; status == TSR_OK && done < *n;) {
        ssize_t got = read(fd, *out + done, *n - done);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) status = error_errno(got < 0 ? errno : EIO, "cannot read '%s'", path);
        if (got > 0) done += (size_t)got;
    }
    close(fd);
    if (status == TSR_OK) (*out)[*n] = '\0';
    if (status == TSR_OK) return TSR_OK;
    mem_free(*out);
    *out = NULL;
    return status;
}

static bool is_sealed(const char *path)
{
    char *data;
    size_t n;
    bool good = false;
    seal s;
    if (read_file(path, O_RDONLY | O_NOFOLLOW, &data, &n) == TSR_OK && n > sizeof s) {
        memcpy(&s, data + n - sizeof s, sizeof s);
        good = memcmp(s.mark, seal_mark, sizeof s.mark) == 0 && hash_equal(s.hash, hash_bytes(data, n - sizeof s));
    }
    mem_free(data);
    return good;
}

static tsr_status write_seal(const char *path)
{
    char *data;
    size_t n;
    TRY(read_file(path, O_RDONLY | O_NOFOLLOW, &data, &n));
    seal s = {.hash = hash_bytes(data, n)};
    memcpy(s.mark, seal_mark, sizeof s.mark);
    mem_free(data);
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return error_errno(errno, "cannot open '%s'", path);
    bool written = write(fd, &s, sizeof s) == (ssize_t)sizeof s && fchmod(fd, 0700) == 0;
    tsr_status status = written ? TSR_OK : error_errno(errno, "cannot write '%s'", path);
    if (close(fd) != 0 && status == TSR_OK) status = error_errno(errno, "cannot write '%s'", path);
    return status;
}

/* One level of the folder, made if it is not there. */
static tsr_status make_folder(const char *path)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST) return TSR_OK;
    return error_errno(errno, "cannot make the folder '%s' for compiled functions", path);
}

static tsr_status check_folder(const char *path)
{
    struct stat facts;
    if (lstat(path, &facts) != 0) return error_errno(errno, "cannot use the folder '%s'", path);
    if (!S_ISDIR(facts.st_mode) || facts.st_uid != geteuid() || facts.st_mode & (S_IWGRP | S_IWOTH)) {
        return error_set(TSR_ERR_IO,
                         "'%s' must be a folder of yours that nobody else can write to: compiled functions are kept there", path);
    }
    return TSR_OK;
}

/* $XDG_CACHE_HOME/tessera or ~/.cache/tessera; the caller frees it. */
static tsr_status cache_folder(char **out)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    bool given = cache && cache[0] == '/'; /* the standard says to ignore others */
    if (!given && !(home && home[0]))
        return error_set(TSR_ERR_IO, "no place to keep compiled functions: set XDG_CACHE_HOME or HOME");
    char *parent = given ? mem_strdup(cache) : mem_printf("%s/.cache", home);
    char *folder = parent ? mem_printf("%s/tessera", parent) : NULL;
    tsr_status status = folder ? make_folder(parent) : TSR_ERR_MEMORY;
    if (status == TSR_OK) status = make_folder(folder);
    if (status == TSR_OK) status = check_folder(folder);
    mem_free(parent);
    if (status == TSR_OK) {
        *out = folder;
    } else {
        mem_free(folder);
    }
    return status;
}

/* Compiles to a temporary name and renames. */
static tsr_status make_library(const char *name, const char *program, const char *flags, const char *path)
{
    char *temporary = mem_printf("%s.XXXXXX", path);
    if (!temporary) return TSR_ERR_MEMORY;
    int fd = mkstemp(temporary);
    tsr_status status = fd >= 0 ? TSR_OK : error_errno(errno, "cannot write '%s'", temporary);
    if (fd >= 0) close(fd);
    if (status == TSR_OK) status = compile(name, program, flags, temporary);
    if (status == TSR_OK) status = write_seal(temporary);
    if (status == TSR_OK && rename(temporary, path) != 0) status = error_errno(errno, "cannot write '%s'", path);
    if (status != TSR_OK && fd >= 0) unlink(temporary);
    mem_free(temporary);
    return status;
}

/* ---- Compiling ----------------------------------------------------------------------------------------------------- */

static tsr_status make_key(const char *program, const char *flags, hash128 *out)
{
    const char *const arguments[] = {"--version", NULL};
    char machine[256] = "";
    strbuf version = {0};
    int code = 0;
    TRY(run_compiler(arguments, NULL, "", &version, &code));
    hash128 h = hash_bytes(program, strlen(program));
    h = hash_mix(h, flags ? flags : "", flags ? strlen(flags) : 0);
    h = hash_mix(h, compiler_command(), strlen(compiler_command()) + 1);
    h = hash_mix(h, version.n ? version.text : "", version.n);
    (void)gethostname(machine, sizeof machine - 1);
    *out = hash_mix(h, machine, strlen(machine));
    strbuf_fini(&version);
    return TSR_OK;
}

/* The preamble, and the source with its own name and line numbers. */
static char *whole_program(const char *name, const char *source)
{
    strbuf b = {0};
    strbuf_add(&b, udf_preamble);
    strbuf_add(&b, "#line 1 \"");
    for (const char *p = name; *p; p++) strbuf_printf(&b, *p == '"' || *p == '\\' ? "\\%c" : "%c", *p == '\n' ? ' ' : *p);
    strbuf_add(&b, "\"\n");
    strbuf_add(&b, source);
    strbuf_add(&b, "\n");
    return strbuf_take(&b);
}

static void *load_sealed(const char *path)
{
    void *handle = is_sealed(path) ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    tsr_status (**fail)(tsr_status, const char *) = NULL;
    if (handle) *(void **)&fail = dlsym(handle, "tsr_fail_call");
    if (fail) __atomic_store_n(fail, tsr_fail, __ATOMIC_RELAXED);
    return handle;
}

static tsr_status open_library(const char *name, const char *program, const char *flags, hash128 key, void **handle)
{
    char *folder = NULL, *path = NULL;
    tsr_status status;
    *handle = NULL;
    GUARD(cache_folder(&folder));
    path = mem_printf("%s/%016llx%016llx.so", folder, (unsigned long long)key.high, (unsigned long long)key.low);
    if (!path) GUARD(TSR_ERR_MEMORY);
    if ((*handle = load_sealed(path))) goto done;
    GUARD(make_library(name, program, flags, path));
    if (!(*handle = load_sealed(path))) {
        const char *why = dlerror();
        status = error_set(TSR_ERR_IO, "%s: cannot be loaded: %s", name, why ? why : path);
    }
done:
    mem_free(folder);
    mem_free(path);
    return status;
}

static tsr_status compile_source(tsr_session *session, const char *name, const char *source, const char *flags, udf_library **out)
{
    hash128 key;
    void *handle;
    char *program = whole_program(name, source);
    if (!program) return TSR_ERR_MEMORY;
    tsr_status status = make_key(program, flags, &key);
    if (status == TSR_OK) status = open_library(name, program, flags, key, &handle);
    mem_free(program);
    return status == TSR_OK ? keep(session, handle, name, source, flags, key, out) : status;
}

tsr_status udf_source_load(const char *name, const char *source, const char *flags, void **handle)
{
    hash128 key;
    char *program = whole_program(name, source);
    if (!program) return TSR_ERR_MEMORY;
    tsr_status status = make_key(program, flags, &key);
    if (status == TSR_OK) status = open_library(name, program, flags, key, handle);
    mem_free(program);
    return status;
}

tsr_status udf_library_compile(tsr_session *session, const char *path, const char *flags, udf_library **out)
{
    char *source;
    size_t n;
    TRY(read_file(path, O_RDONLY, &source, &n));
    tsr_status status = strlen(source) == n ? compile_source(session, path, source, flags, out)
                                            : error_set(TSR_ERR_FORMAT, "%s: this is no text", path);
    mem_free(source);
    return status;
}

tsr_status tsr_udf_compile(tsr_session *session, const char *source, const char *symbol, const char *flags,
                           tsr_function *function)
{
    udf_library *u;
    *function = (tsr_function){0};
    TRY(compile_source(session, "source", source, flags, &u));
    return find_function(u, symbol, function);
}

tsr_status tsr_udf_compile_file(tsr_session *session, const char *path, const char *symbol, const char *flags,
                                tsr_function *function)
{
    udf_library *u;
    *function = (tsr_function){0};
    TRY(udf_library_compile(session, path, flags, &u));
    return find_function(u, symbol, function);
}

/* ---- How functions travel ------------------------------------------------------------------------------------------ */

/*   u8 serial | symbol, 0 | name, 0 | flags, 0 | source, 0 */
enum { N_TEXTS = 4 };

/* The library from source that has this function, or of these texts. */
static udf_library *find_library(tsr_session *session, void *const *call, const char *const *texts, const char **symbol)
{
    udf_library *found = NULL;
    pthread_mutex_lock(&session->lock);
    for (session_object *o = session->objects; o && !found; o = o->next) {
        udf_library *u = (udf_library *)o;
        if (o->drop != drop || !u->source) continue;
        if (call) {
            Dl_info info;
            if (dladdr(*call, &info) && info.dli_sname && find_symbol(u, info.dli_sname, symbol) == *call) found = u;
        } else if (strcmp(u->name, texts[1]) == 0 && strcmp(u->flags, texts[2]) == 0 && strcmp(u->source, texts[3]) == 0) {
            found = u;
        }
    }
    pthread_mutex_unlock(&session->lock);
    return found;
}

tsr_status udf_pack(tsr_session *session, const tsr_function *f, arena *memory, packed_function *out)
{
    const char *symbol = NULL;
    void *call;
    memcpy(&call, &f->call, sizeof call);
    if (!f->call || f->context) return TSR_OK;
    const udf_library *u = find_library(session, &call, NULL, &symbol);
    if (!u || !symbol) return TSR_OK;
    const char *const texts[N_TEXTS] = {symbol, u->name, u->flags, u->source};
    size_t size = 1;
    for (int i = 0; i < N_TEXTS; i++) size += strlen(texts[i]) + 1;
    char *to = arena_alloc(memory, size);
    if (!to) return TSR_ERR_MEMORY;
    *out = (packed_function){.name = UDF_PACKED, .bytes = to, .size = size};
    *to++ = f->serial;
    for (int i = 0; i < N_TEXTS; i++) to = stpcpy(to, texts[i]) + 1;
    return TSR_OK;
}

tsr_status udf_unpack(tsr_session *session, const void *bytes, size_t size, tsr_function *out)
{
    const char *at = bytes, *end = at + size, *texts[N_TEXTS], *symbol;
    if (size < 1 + N_TEXTS || end[-1] != '\0') return error_set(TSR_ERR_FORMAT, "unpack: this is no C source");
    const bool serial = *at++;
    for (int i = 0; i < N_TEXTS; i++) {
        if (at == end) return error_set(TSR_ERR_FORMAT, "unpack: this is no C source");
        texts[i] = at;
        at += strlen(at) + 1;
    }
    if (at != end) return error_set(TSR_ERR_FORMAT, "unpack: this is no C source");
    udf_library *u = find_library(session, NULL, texts, &symbol); /* it would be kept again with every expression */
    if (!u) TRY(compile_source(session, texts[1], texts[3], texts[2], &u));
    TRY(find_function(u, texts[0], out));
    out->identity = NULL; /* that of another machine is another, and plans are to be the same */
    out->identity_bytes = 0;
    out->serial = serial;
    return TSR_OK;
}
