/* Libraries that are opened late: what is found, and what is said of those that are not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/library.h"

#include <string.h>

enum { N_THREADS = 8 };

static void *found;

static void test_found(void **state)
{
    const library_symbol symbols[] = {{"cos", &found}};
    library l = {"libm.so.6", symbols, 1, false, PTHREAD_MUTEX_INITIALIZER};
    found = NULL;
    assert_int_equal(library_open(&l), TSR_OK);
    assert_true(l.is_open);
    double (*cosine)(double) = (double (*)(double))found;
    assert_true(cosine(0) == 1);
    found = NULL;
    assert_int_equal(library_open(&l), TSR_OK); /* once is enough */
    assert_null(found);
}

static void test_missing_file(void **state)
{
    const library_symbol symbols[] = {{"cos", &found}};
    library l = {"libnobody-has-this.so.9", symbols, 1, false, PTHREAD_MUTEX_INITIALIZER};
    for (int i = 0; i < 2; i++) { /* it may be installed meanwhile: each call tries */
        assert_int_equal(library_open(&l), TSR_ERR_UNSUPPORTED);
        assert_non_null(strstr(tsr_error_message(), "this needs the library libnobody-has-this.so.9, which cannot be opened"));
        assert_non_null(strstr(tsr_error_message(), "No such file"));
    }
    assert_false(l.is_open);
}

static void test_missing_symbol(void **state)
{
    const library_symbol symbols[] = {{"cos", &found}, {"no_such_function", &found}};
    library l = {"libm.so.6", symbols, 2, false, PTHREAD_MUTEX_INITIALIZER};
    assert_int_equal(library_open(&l), TSR_ERR_UNSUPPORTED);
    assert_string_equal(tsr_error_message(),
                        "the library libm.so.6 has no no_such_function: it is not the one that Tessera was built with");
    assert_false(l.is_open);
}

static void *open_in_thread(void *context) { return library_open(context) == TSR_OK ? found : NULL; }

static void test_threads(void **state)
{
    const library_symbol symbols[] = {{"cos", &found}};
    library l = {"libm.so.6", symbols, 1, false, PTHREAD_MUTEX_INITIALIZER};
    pthread_t threads[N_THREADS];
    found = NULL;
    for (int i = 0; i < N_THREADS; i++) assert_int_equal(pthread_create(&threads[i], NULL, open_in_thread, &l), 0);
    for (int i = 0; i < N_THREADS; i++) {
        void *seen;
        assert_int_equal(pthread_join(threads[i], &seen), 0);
        assert_non_null(seen);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found),
        cmocka_unit_test(test_missing_file),
        cmocka_unit_test(test_missing_symbol),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
