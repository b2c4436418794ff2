/* The parser of the expression language: precedence climbing over one token of look-ahead. Recursion is bounded by
 * AST_MAX_NESTING and the trees by AST_MAX_HEIGHT. One thread per parser. */
#include "cli/ast.h"

#include "base/vec.h"

#include <string.h>

typedef struct parser {
    lexer lex;
    arena *memory;
    token current;
    span last; /* the token before */
    int depth;
    span error;
} parser;

typedef VEC(ast *) ast_list;

static tsr_status parse_expression(parser *p, int precedence, ast **out);

static tsr_status advance(parser *p)
{
    p->last = p->current.at;
    tsr_status status = lexer_next(&p->lex, &p->current);
    if (status != TSR_OK) p->error = p->lex.error;
    return status;
}

static bool at_operator(const parser *p, const char *text)
{
    return p->current.kind == TOKEN_OPERATOR && strcmp(p->current.text, text) == 0;
}

/* How a token is called in a message. */
static const char *token_words(parser *p)
{
    const token *t = &p->current;
    if (t->kind == TOKEN_END) return "the end of the expression";
    if (t->kind == TOKEN_SEPARATOR && t->text[0] == 'e') return "the end of the line";
    int n = (int)(t->at.end - t->at.start);
    const char *words = arena_printf(p->memory, "'%.*s'%s", n > 30 ? 30 : n, p->lex.source + t->at.start, n > 30 ? "..." : "");
    return words ? words : "a token";
}

static tsr_status fail_at(parser *p, span at, const char *text)
{
    p->error = at;
    return error_set(TSR_ERR_SYNTAX, "%s", text);
}

static tsr_status fail_expected(parser *p, const char *expected)
{
    p->error = p->current.at;
    return error_set(TSR_ERR_SYNTAX, "expected %s, found %s", expected, token_words(p));
}

/* Words of Python that have no meaning here, with what to write instead. */
static tsr_status check_word(parser *p)
{
    static const struct {
        const char *word, *text;
    } words[] = {
        {"and", "'and' does not work on arrays; use & and put each side in parentheses: (a > 0) & (b > 0)"},
        {"or", "'or' does not work on arrays; use | and put each side in parentheses: (a > 0) | (b > 0)"},
        {"not", "'not' does not work on arrays; use ~x, or logical_not(x)"},
        {"if", "'if' is not part of the expression language; use where(condition, a, b)"},
        {"else", "'else' is not part of the expression language; use where(condition, a, b)"},
        {"for", "there are no loops here; operations work on whole arrays"},
        {"while", "there are no loops here; operations work on whole arrays"},
        {"in", "'in' is not part of the expression language; compare with =="},
        {"is", "'is' is not part of the expression language; compare with == or use isnan(x)"},
        {"lambda", "functions cannot be defined here; write the expression itself"},
        {"def", "functions cannot be defined here; write the expression itself"},
        {"import", "nothing needs to be imported; write the function's name: mean(x), or np.mean(x)"},
        {"from", "nothing needs to be imported; write the function's name: mean(x), or np.mean(x)"},
        {"return", "'return' is not needed; the last expression is the result"},
        {"with", "'with' is not part of the expression language"},
        {"del", "'del' is not needed; nothing is computed until it is used"},
    };
    if (p->current.kind != TOKEN_NAME || p->current.is_quoted) return TSR_OK;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(p->current.text, words[i].word) == 0) return fail_at(p, p->current.at, words[i].text);
    return TSR_OK;
}

/* ---- Nodes ------------------------------------------------------------------------------------------------------- */

static tsr_status make(parser *p, ast_kind kind, span at, int n_items, ast *const *items, ast **out)
{
    ast *node = ARENA_NEW(p->memory, ast);
    if (!node) return TSR_ERR_MEMORY;
    *node = (ast){.kind = kind, .at = at, .token_at = at, .n_items = n_items, .height = 1};
    node->items = n_items ? ARENA_ARRAY(p->memory, ast *, n_items) : NULL;
    if (n_items && !node->items) return TSR_ERR_MEMORY;
    for (int i = 0; i < n_items; i++) {
        node->items[i] = items[i];
        if (items[i] && items[i]->height >= node->height) node->height = items[i]->height + 1;
    }
    if (node->height > AST_MAX_HEIGHT)
        return fail_at(p, at,
                       "the expression is too deep: more than 1000 operations follow each other; split it with assignments");
    *out = node;
    return TSR_OK;
}

static tsr_status make_leaf(parser *p, ast_kind kind, ast **out)
{
    TRY(make(p, kind, p->current.at, 0, NULL, out));
    (*out)->text = p->current.text;
    (*out)->number = p->current.number;
    return advance(p);
}

static tsr_status enter(parser *p)
{
    if (++p->depth > AST_MAX_NESTING) return fail_at(p, p->current.at, "the expression is nested more than 100 deep");
    return TSR_OK;
}

/* ---- Lists, calls, indices --------------------------------------------------------------------------------------- */

/* a : b : c, each part optional; a plain expression when there is no colon. */
static tsr_status parse_slice(parser *p, ast **out)
{
    ast *parts[3] = {NULL, NULL, NULL};
    size_t start = p->current.at.start;
    int n = 0;
    if (!at_operator(p, ":")) TRY(parse_expression(p, 0, &parts[0]));
    if (!at_operator(p, ":")) {
        *out = parts[0];
        return TSR_OK;
    }
    while (at_operator(p, ":")) {
        if (++n > 2) return fail_at(p, p->current.at, "a slice has at most three parts, start:stop:step");
        TRY(advance(p));
        if (!at_operator(p, ":") && !at_operator(p, ",") && !at_operator(p, "]") && !at_operator(p, ")"))
            TRY(parse_expression(p, 0, &parts[n]));
    }
    return make(p, AST_SLICE, (span){start, p->last.end}, 3, parts, out);
}

/* One argument of a call or one index: keyword=value, a slice, or an expression. */
static tsr_status parse_argument(parser *p, ast **out)
{
    if (at_operator(p, "*") || at_operator(p, "**"))
        return fail_at(p, p->current.at, "arguments cannot be unpacked with * or **");
    ast *value = NULL;
    size_t start = p->current.at.start;
    token name = p->current;
    TRY(parse_slice(p, &value));
    if (!at_operator(p, "=")) {
        *out = value;
        return TSR_OK;
    }
    if (!value || value->kind != AST_NAME)
        return fail_at(p, p->current.at, "the left side of '=' must be a name here; compare with ==");
    TRY(advance(p));
    TRY(parse_slice(p, &value));
    TRY(make(p, AST_KEYWORD, (span){start, p->last.end}, 1, &value, out));
    (*out)->text = name.text;
    (*out)->token_at = name.at;
    return TSR_OK;
}

/* Arguments up to and with the closing bracket, appended to items. */
static tsr_status parse_arguments(parser *p, const char *close, ast_list *items)
{
    bool is_call = close[0] == ')';
    while (!at_operator(p, close)) {
        ast *item = NULL;
        TRY(parse_argument(p, &item));
        if (!VEC_PUSH(items, item)) return TSR_ERR_MEMORY;
        if (at_operator(p, close)) break;
        TRY(check_word(p));
        if (!at_operator(p, ",")) return fail_expected(p, is_call ? "',' or ')' in the arguments" : "',' or ']' in the index");
        TRY(advance(p));
    }
    return advance(p);
}

/* Call and index after `primary`. */
static tsr_status parse_suffix(parser *p, ast *primary, bool is_call, ast **out)
{
    ast_list items = {0};
    tsr_status status = TSR_ERR_MEMORY;
    span bracket = p->current.at;
    if (!VEC_PUSH(&items, primary)) goto done;
    GUARD(advance(p));
    GUARD(parse_arguments(p, is_call ? ")" : "]", &items));
    if (!is_call && items.n == 1) {
        status = fail_at(p, (span){bracket.start, p->last.end}, "the index is empty; write x[:] for everything");
        goto done;
    }
    GUARD(make(p, is_call ? AST_CALL : AST_INDEX, (span){primary->at.start, p->last.end}, (int)items.n, items.items, out));
    (*out)->token_at = (span){bracket.start, p->last.end};
done:
    VEC_FINI(&items);
    return status;
}

/* "( ... )" and "[ ... ]": a parenthesised expression, a tuple, a list. */
static tsr_status parse_group(parser *p, bool is_list, ast **out)
{
    const char *close = is_list ? "]" : ")";
    ast_list items = {0};
    tsr_status status = TSR_OK;
    size_t start = p->current.at.start;
    bool has_comma = false;
    GUARD(advance(p));
    while (!at_operator(p, close)) {
        ast *item = NULL;
        GUARD(parse_expression(p, 0, &item));
        if (!VEC_PUSH(&items, item)) {
            status = TSR_ERR_MEMORY;
            goto done;
        }
        if (at_operator(p, close)) break;
        GUARD(check_word(p));
        if (!at_operator(p, ",")) {
            status = fail_expected(p, is_list ? "',' or ']'" : "an operator, ',' or ')'");
            goto done;
        }
        has_comma = true;
        GUARD(advance(p));
    }
    GUARD(advance(p));
    span at = {start, p->last.end};
    if (!is_list && items.n == 1 && !has_comma) {
        *out = items.items[0];
        (*out)->at = at;
    } else {
        GUARD(make(p, is_list ? AST_LIST : AST_TUPLE, at, (int)items.n, items.items, out));
    }
done:
    VEC_FINI(&items);
    return status;
}

static tsr_status parse_atom(parser *p, ast **out)
{
    TRY(check_word(p));
    switch (p->current.kind) {
    case TOKEN_NUMBER: return make_leaf(p, AST_NUMBER, out);
    case TOKEN_STRING: return make_leaf(p, AST_STRING, out);
    case TOKEN_NAME: return make_leaf(p, AST_NAME, out);
    default: break;
    }
    if (at_operator(p, "...")) return make_leaf(p, AST_ELLIPSIS, out);
    if (at_operator(p, "(")) return parse_group(p, false, out);
    if (at_operator(p, "[")) return parse_group(p, true, out);
    if (at_operator(p, "{")) return fail_at(p, p->current.at, "dictionaries and sets are not part of the expression language");
    if (at_operator(p, "!")) return fail_at(p, p->current.at, "'!' is not an operator; use ~x, or logical_not(x)");
    return fail_expected(p, "a number, a name or '('");
}

static tsr_status parse_attribute(parser *p, ast *primary, ast **out)
{
    TRY(advance(p));
    if (p->current.kind != TOKEN_NAME) return fail_expected(p, "a name after '.'");
    token name = p->current;
    TRY(make(p, AST_ATTRIBUTE, (span){primary->at.start, name.at.end}, 1, &primary, out));
    (*out)->text = name.text;
    (*out)->token_at = name.at;
    return advance(p);
}

static tsr_status parse_primary(parser *p, ast **out)
{
    TRY(parse_atom(p, out));
    for (;;) {
        if (at_operator(p, "."))
            TRY(parse_attribute(p, *out, out));
        else if (at_operator(p, "("))
            TRY(parse_suffix(p, *out, true, out));
        else if (at_operator(p, "["))
            TRY(parse_suffix(p, *out, false, out));
        else
            return TSR_OK;
    }
}

/* ---- Operators --------------------------------------------------------------------------------------------------- */

typedef struct operator_info {
    const char *text, *name;
    int precedence;
} operator_info;

enum { PRECEDENCE_COMPARE = 1, PRECEDENCE_UNARY = 8, PRECEDENCE_POWER = 9 };

static const operator_info binary_operators[] = {
    {"==", "equal", 1},      {"!=", "not_equal", 1},  {"<=", "less_equal", 1},  {">=", "greater_equal", 1},
    {"<", "less", 1},        {">", "greater", 1},     {"|", "bitwise_or", 2},   {"^", "bitwise_xor", 3},
    {"&", "bitwise_and", 4}, {"<<", "left_shift", 5}, {">>", "right_shift", 5}, {"+", "add", 6},
    {"-", "subtract", 6},    {"*", "multiply", 7},    {"/", "divide", 7},       {"//", "floor_divide", 7},
    {"%", "remainder", 7},   {"@", "matmul", 7},      {"**", "power", 9},
};

static const operator_info *find_binary(const parser *p)
{
    if (p->current.kind != TOKEN_OPERATOR) return NULL;
    for (size_t i = 0; i < sizeof binary_operators / sizeof *binary_operators; i++)
        if (strcmp(p->current.text, binary_operators[i].text) == 0) return &binary_operators[i];
    return NULL;
}

static tsr_status parse_unary(parser *p, ast **out)
{
    const char *name = at_operator(p, "-")   ? "negative"
                       : at_operator(p, "+") ? "positive"
                       : at_operator(p, "~") ? "invert"
                                             : NULL;
    if (!name) return parse_primary(p, out);
    span at = p->current.at;
    ast *operand = NULL;
    TRY(advance(p));
    TRY(parse_expression(p, PRECEDENCE_UNARY, &operand));
    TRY(make(p, AST_UNARY, (span){at.start, p->last.end}, 1, &operand, out));
    (*out)->text = name;
    (*out)->token_at = at;
    return TSR_OK;
}

/* Operators of at least this precedence. ** binds to the right and tighter than a minus before it. */
static tsr_status parse_expression(parser *p, int precedence, ast **out)
{
    TRY(enter(p));
    TRY(parse_unary(p, out));
    const operator_info *op;
    bool compared = false;
    while ((op = find_binary(p)) && op->precedence >= precedence) {
        span at = p->current.at;
        if (op->precedence == PRECEDENCE_COMPARE && compared)
            return fail_at(p, at, "comparisons cannot be chained; write (a < b) & (b < c)");
        compared = compared || op->precedence == PRECEDENCE_COMPARE;
        TRY(advance(p));
        ast *pair[2] = {*out, NULL};
        TRY(parse_expression(p, op->precedence == PRECEDENCE_POWER ? PRECEDENCE_UNARY : op->precedence + 1, &pair[1]));
        TRY(make(p, AST_BINARY, (span){pair[0]->at.start, p->last.end}, 2, pair, out));
        (*out)->text = op->name;
        (*out)->token_at = at;
    }
    p->depth--;
    return TSR_OK;
}

/* ---- Statements -------------------------------------------------------------------------------------------------- */

/* An expression, or several with commas between them: a tuple. */
static tsr_status parse_expression_list(parser *p, ast **out)
{
    ast_list items = {0};
    tsr_status status = TSR_OK;
    size_t start = p->current.at.start;
    bool has_comma = false;
    do {
        ast *item = NULL;
        GUARD(parse_expression(p, 0, &item));
        if (!VEC_PUSH(&items, item)) {
            status = TSR_ERR_MEMORY;
            goto done;
        }
        if (!at_operator(p, ",")) break;
        has_comma = true;
        GUARD(advance(p));
    } while (p->current.kind != TOKEN_END && p->current.kind != TOKEN_SEPARATOR && !at_operator(p, "="));
    if (!has_comma)
        *out = items.items[0];
    else
        GUARD(make(p, AST_TUPLE, (span){start, p->last.end}, (int)items.n, items.items, out));
done:
    VEC_FINI(&items);
    return status;
}

static const char *find_update(const parser *p)
{
    static const char *const updates[][2] = {
        {"+=", "add"},       {"-=", "subtract"},    {"*=", "multiply"},     {"/=", "divide"},     {"//=", "floor_divide"},
        {"%=", "remainder"}, {"**=", "power"},      {"&=", "bitwise_and"},  {"|=", "bitwise_or"}, {"^=", "bitwise_xor"},
        {"@=", "matmul"},    {"<<=", "left_shift"}, {">>=", "right_shift"},
    };
    for (size_t i = 0; p->current.kind == TOKEN_OPERATOR && i < sizeof updates / sizeof *updates; i++)
        if (strcmp(p->current.text, updates[i][0]) == 0) return updates[i][1];
    return NULL;
}

/* Turns what was read before "=" into targets. */
static tsr_status take_targets(parser *p, const ast *left, ast_statement *s)
{
    int n = left->kind == AST_TUPLE ? left->n_items : 1;
    if (n == 0) return fail_at(p, left->at, "nothing to assign to before '='");
    s->targets = ARENA_ARRAY(p->memory, const char *, n);
    s->target_at = ARENA_ARRAY(p->memory, span, n);
    if (!s->targets || !s->target_at) return TSR_ERR_MEMORY;
    for (int i = 0; i < n; i++) {
        const ast *target = left->kind == AST_TUPLE ? left->items[i] : left;
        if (target->kind == AST_INDEX)
            return fail_at(p, target->at, "elements cannot be assigned; make a new array with where(condition, new, old)");
        if (target->kind != AST_NAME) return fail_at(p, target->at, "only a name can stand before '='; compare with ==");
        s->targets[i] = target->text;
        s->target_at[i] = target->at;
    }
    s->n_targets = n;
    return TSR_OK;
}

static tsr_status parse_statement(parser *p, ast_statement *s)
{
    ast *value = NULL;
    size_t start = p->current.at.start;
    p->depth = 0;
    *s = (ast_statement){0};
    TRY(parse_expression_list(p, &value));
    s->update = find_update(p);
    if (s->update || at_operator(p, "=")) {
        TRY(take_targets(p, value, s));
        if (s->update && s->n_targets > 1) return fail_at(p, p->current.at, "only one name can be updated at a time");
        TRY(advance(p));
        TRY(parse_expression_list(p, &value));
        if (at_operator(p, "=")) return fail_at(p, p->current.at, "one assignment at a time; separate them with ';'");
    }
    if (p->current.kind != TOKEN_END && p->current.kind != TOKEN_SEPARATOR) {
        TRY(check_word(p));
        return fail_expected(p, "an operator, ';' or the end");
    }
    s->at = (span){start, p->last.end};
    s->value = value;
    return TSR_OK;
}

static tsr_status parse_statements(parser *p, ast_program *out)
{
    VEC(ast_statement) statements = {0};
    tsr_status status = TSR_OK;
    GUARD(advance(p));
    while (p->current.kind != TOKEN_END) {
        if (p->current.kind == TOKEN_SEPARATOR) {
            GUARD(advance(p));
            continue;
        }
        ast_statement s;
        GUARD(parse_statement(p, &s));
        if (!VEC_PUSH(&statements, s)) {
            status = TSR_ERR_MEMORY;
            goto done;
        }
    }
    if (statements.n == 0) {
        status = fail_at(p, (span){0, 0}, "the expression is empty");
        goto done;
    }
    out->n_statements = (int)statements.n;
    out->statements = ARENA_ARRAY(p->memory, ast_statement, statements.n);
    if (out->statements)
        memcpy(out->statements, statements.items, statements.n * sizeof *statements.items);
    else
        status = TSR_ERR_MEMORY;
done:
    VEC_FINI(&statements);
    return status;
}

tsr_status parse_program(arena *memory, const char *source, size_t n, ast_program *out, span *error)
{
    parser p = {.memory = memory};
    *out = (ast_program){.source = source, .n_source = n};
    *error = (span){0, 0};
    if (n > AST_MAX_SOURCE) return error_set(TSR_ERR_SYNTAX, "the expression has %zu bytes; the limit is %d", n, AST_MAX_SOURCE);
    lexer_init(&p.lex, memory, source, n);
    tsr_status status = parse_statements(&p, out);
    if (status != TSR_OK) *error = p.error;
    return status;
}
