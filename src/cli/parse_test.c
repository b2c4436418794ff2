/* The language: trees as text, messages with their places, suggestions. */
#include "cli/ast.h"

#include "base/mem.h"
#include "base/strbuf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void dump(strbuf *b, const ast *node)
{
    static const char *const heads[] = {
        [AST_TUPLE] = "tuple", [AST_LIST] = "list", [AST_CALL] = "call", [AST_INDEX] = "index", [AST_SLICE] = "slice"};
    if (!node) {
        strbuf_add(b, "_");
        return;
    }
    switch (node->kind) {
    case AST_NUMBER:
        if (node->number.dtype == TSR_I64) strbuf_printf(b, "%lld", (long long)node->number.i);
        if (node->number.dtype == TSR_F64) strbuf_printf(b, "%gf", node->number.f);
        if (node->number.dtype == TSR_C128) strbuf_printf(b, "%gj", node->number.imag);
        return;
    case AST_STRING: strbuf_printf(b, "'%s'", node->text); return;
    case AST_NAME: strbuf_add(b, node->text); return;
    case AST_ELLIPSIS: strbuf_add(b, "..."); return;
    case AST_ATTRIBUTE: strbuf_printf(b, "(.%s", node->text); break;
    case AST_KEYWORD: strbuf_printf(b, "(=%s", node->text); break;
    case AST_UNARY:
    case AST_BINARY: strbuf_printf(b, "(%s", node->text); break;
    default: strbuf_printf(b, "(%s", heads[node->kind]); break;
    }
    for (int i = 0; i < node->n_items; i++) {
        strbuf_add(b, " ");
        dump(b, node->items[i]);
    }
    strbuf_add(b, ")");
}

static char *tree_of(const char *source)
{
    arena memory;
    arena_init(&memory);
    ast_program program;
    span error;
    strbuf b = {0};
    if (parse_program(&memory, source, strlen(source), &program, &error) != TSR_OK) {
        strbuf_printf(&b, "error %zu-%zu: %s", error.start, error.end, tsr_error_message());
    } else {
        for (int i = 0; i < program.n_statements; i++) {
            const ast_statement *s = &program.statements[i];
            if (i) strbuf_add(&b, "; ");
            for (int t = 0; t < s->n_targets; t++) strbuf_printf(&b, "%s%s", t ? "," : "", s->targets[t]);
            if (s->n_targets) strbuf_printf(&b, " %s= ", s->update ? s->update : "");
            dump(&b, s->value);
        }
    }
    arena_fini(&memory);
    return strbuf_take(&b);
}

static void check(const char *source, const char *expected)
{
    char *tree = tree_of(source);
    assert_string_equal(tree, expected);
    mem_free(tree);
}

static void test_operators(void **state)
{
    check("1+2*3", "(add 1 (multiply 2 3))");
    check("(1+2)*3", "(multiply (add 1 2) 3)");
    check("1-2-3", "(subtract (subtract 1 2) 3)");
    check("-x**2", "(negative (power x 2))");
    check("2**-1**2", "(power 2 (negative (power 1 2)))");
    check("2**3**4", "(power 2 (power 3 4))");
    check("a & b | ~c ^ d", "(bitwise_or (bitwise_and a b) (bitwise_xor (invert c) d))");
    check("1 << 2 + 3", "(left_shift 1 (add 2 3))");
    check("a + 1 > b * 2", "(greater (add a 1) (multiply b 2))");
    check("(a > 1) & (b <= 2)", "(bitwise_and (greater a 1) (less_equal b 2))");
    check("a // b % c", "(remainder (floor_divide a b) c)");
}

static void test_numbers_and_strings(void **state)
{
    check("1_000 + 1e3 + .5 + 2j + 0x1f + 5.", "(add (add (add (add (add 1000 1000f) 0.5f) 2j) 31) 5f)");
    check("'a\\'b' , \"c\"", "(tuple 'a'b' 'c')");
    check("9223372036854775807", "9223372036854775807");
    check("9223372036854775808", "error 0-19: this integer does not fit 64 bits; write it with a point for a float");
    check("12abc", "error 0-5: a number must not run into a name; put an operator or a blank between them");
    check("0b12", "error 0-4: this number has a digit that its base does not know");
    check("'abc", "error 0-4: this string has no closing quote");
    check("`odd name-1` + 1", "(add odd name-1 1)");
}

static void test_primaries(void **state)
{
    check("mean(x, axis=0, keepdims=True)", "(call mean x (=axis 0) (=keepdims True))");
    check("x.mean(time)", "(call (.mean x) time)");
    check("groupby(t2m, time.month).mean()", "(call (.mean (call groupby t2m (.month time))))");
    check("x[100, :, ::-1]", "(index x 100 (slice _ _ _) (slice _ _ (negative 1)))");
    check("x[time=\"2014-01\", latitude=30:60]", "(index x (=time '2014-01') (=latitude (slice 30 60 _)))");
    check("x[..., 1:]", "(index x ... (slice 1 _ _))");
    check("f((1, 2), [3], ())", "(call f (tuple 1 2) (list 3) (tuple))");
    check("(1,)", "(tuple 1)");
    check("ones((2,\n 3))\n# comment\n+ 1", "(call ones (tuple 2 3)); (positive 1)");
}

static void test_statements(void **state)
{
    check("a = 1; b = a\nc = b;", "a = 1; b = a; c = b");
    check("h, e = histogram(x)", "h,e = (call histogram x)");
    check("w /= w.mean()", "w divide= (call (.mean w))");
    check("1 + \\\n 2", "(add 1 2)");
}

static void test_mistakes(void **state)
{
    check("", "error 0-0: the expression is empty");
    check("1 +", "error 3-3: expected a number, a name or '(', found the end of the expression");
    check("mean(x", "error 4-5: this '(' is never closed");
    check("x)", "error 1-2: ')' closes nothing; there is no '(' before it");
    check("(x]", "error 2-3: ']' does not match the '(' at column 1");
    check("a < b < c", "error 6-7: comparisons cannot be chained; write (a < b) & (b < c)");
    check("a and b", "error 2-5: 'and' does not work on arrays; use & and put each side in parentheses: (a > 0) & (b > 0)");
    check("not a", "error 0-3: 'not' does not work on arrays; use ~x, or logical_not(x)");
    check("mean(x y)", "error 7-8: expected ',' or ')' in the arguments, found 'y'");
    check("x[]", "error 1-3: the index is empty; write x[:] for everything");
    check("x[0] = 1", "error 0-4: elements cannot be assigned; make a new array with where(condition, new, old)");
    check("1 = x", "error 0-1: only a name can stand before '='; compare with ==");
    check("a = b = c", "error 6-7: one assignment at a time; separate them with ';'");
    check("import numpy as np", "error 0-6: nothing needs to be imported; write the function's name: mean(x), or np.mean(x)");
    check("x ? y", "error 2-3: expected an operator, ';' or the end, found '?'");
    check("x $ y", "error 2-3: '$' does not belong in an expression");
    check("x[1:2:3:4]", "error 7-8: a slice has at most three parts, start:stop:step");
}

/* Deep input must end in a message, never in a broken stack. */
static void test_depth(void **state)
{
    enum { N = 100000 };
    char *text = mem_alloc(2 * N + 2);
    assert_non_null(text);
    memset(text, '-', N);
    memcpy(text + N, "1", 2);
    check(text, "error 100-101: the expression is nested more than 100 deep");
    for (int i = 0; i < N; i++) memcpy(text + 2 * i, "1+", 2);
    memcpy(text + 2 * (size_t)N, "1", 2);
    char *tree = tree_of(text);
    assert_non_null(strstr(tree, "too deep"));
    mem_free(tree);
    memset(text, '(', N);
    text[N] = '\0';
    tree = tree_of(text);
    assert_non_null(strstr(tree, "nested more than 64 deep"));
    mem_free(tree);
    mem_free(text);
}

static void test_snippet(void **state)
{
    char *text = source_snippet("a = 1\nmean(t2n, time)", 21, (span){11, 14});
    assert_string_equal(text, "  mean(t2n, time)\n       ^~~\n");
    mem_free(text);
    text = source_snippet("", 0, (span){5, 9});
    assert_string_equal(text, "  \n  ^\n");
    mem_free(text);
}

static void test_nearest(void **state)
{
    static const struct {
        const char *wanted, *found;
    } cases[] = {{"t2n", "t2m"}, {"latitud", "latitude"}, {"lat", "latitude"}, {"meen", "mean"}, {"emit", NULL}, {"zzzz", NULL}};
    const char *names[] = {"t2m", "latitude", "longitude", "time", "mean"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        nearest n = nearest_start(cases[i].wanted);
        for (size_t j = 0; j < sizeof names / sizeof *names; j++) nearest_consider(&n, names[j]);
        if (cases[i].found)
            assert_string_equal(n.best, cases[i].found);
        else
            assert_null(n.best);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operators), cmocka_unit_test(test_numbers_and_strings),
        cmocka_unit_test(test_primaries), cmocka_unit_test(test_statements),
        cmocka_unit_test(test_mistakes),  cmocka_unit_test(test_depth),
        cmocka_unit_test(test_snippet),   cmocka_unit_test(test_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
