/* Lists of addresses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cluster/address.h"

#include <string.h>

static void check_list(const char *text, unsigned n, const char *const *expected)
{
    char one[ADDRESS_TEXT_BYTES];
    assert_int_equal(address_list_check(text), TSR_OK);
    assert_int_equal(address_list_count(text), n);
    for (unsigned i = 0; i < 3 * n; i++) {
        assert_int_equal(address_list_get(text, i, one, sizeof one), TSR_OK);
        assert_string_equal(one, expected[i % n]);
    }
}

static void test_lists(void **state)
{
    check_list("tcp://head:1", 1, (const char *[]){"tcp://head:1"});
    check_list("tcp://a:1,tls://[::1]:2,unix:///run/a,b", 3, (const char *[]){"tcp://a:1", "tls://[::1]:2", "unix:///run/a,b"});
    check_list("unix:///run/a,b,unix://@c", 2, (const char *[]){"unix:///run/a,b", "unix://@c"});
}

static void test_bad_lists(void **state)
{
    static const char *const bad[] = {
        "", ",tcp://a:1", "tcp://a:1,", "tcp://a:1,,tcp://b:1", "tcp://a:1,b:1", "tcp://a,tcp://b:1"};
    char one[ADDRESS_TEXT_BYTES], longest[2 * ADDRESS_TEXT_BYTES];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_int_equal(address_list_check(bad[i]), TSR_ERR_VALUE);
    memset(longest, 'a', sizeof longest);
    memcpy(longest, "tcp://", 6);
    longest[sizeof longest - 1] = 0;
    assert_int_equal(address_list_check(longest), TSR_ERR_VALUE);
    assert_int_equal(address_list_get(longest, 0, one, sizeof one), TSR_ERR_VALUE);
}

int main(void)
{
    const struct CMUnitTest all[] = {cmocka_unit_test(test_lists), cmocka_unit_test(test_bad_lists)};
    return cmocka_run_group_tests(all, NULL, NULL);
}
