/* Tokens of the expression language. Works on bytes: everything from 0x80 up counts as a letter, so UTF-8 names pass through.
 * Any input is safe: the text need not end with a zero byte and may hold any bytes. One thread per lexer. */
#include "cli/ast.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void lexer_init(lexer *lex, arena *memory, const char *source, size_t n)
{
    *lex = (lexer){.memory = memory, .source = source, .n = n};
}

static int peek(const lexer *lex, size_t ahead)
{
    return lex->at + ahead < lex->n ? (unsigned char)lex->source[lex->at + ahead] : -1;
}

static bool is_digit(int c) { return c >= '0' && c <= '9'; }
static bool is_letter(int c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80; }

static tsr_status fail(lexer *lex, size_t start, size_t end, const char *text)
{
    lex->error = (span){start, end};
    return error_set(TSR_ERR_SYNTAX, "%s", text);
}

/* Blanks, comments, continued lines, and newlines inside brackets. */
static void skip_blank(lexer *lex)
{
    for (;;) {
        int c = peek(lex, 0);
        if (c == ' ' || c == '\t' || c == '\r' || c == '\f' || (c == '\n' && lex->n_open > 0)) {
            lex->at++;
        } else if (c == '\\' && (peek(lex, 1) == '\n' || (peek(lex, 1) == '\r' && peek(lex, 2) == '\n'))) {
            lex->at += peek(lex, 1) == '\n' ? 2 : 3;
        } else if (c == '#') {
            while (lex->at < lex->n && lex->source[lex->at] != '\n') lex->at++;
        } else {
            return;
        }
    }
}

static char *copy_text(lexer *lex, size_t start, size_t end)
{
    char *text = arena_alloc(lex->memory, end - start + 1);
    if (text) memcpy(text, lex->source + start, end - start);
    return text;
}

/* The digits from `start` to lex->at without underscores, for strtod. */
static char *copy_digits(lexer *lex, size_t start)
{
    char *text = arena_alloc(lex->memory, lex->at - start + 1);
    size_t n = 0;
    if (!text) return NULL;
    for (size_t i = start; i < lex->at; i++)
        if (lex->source[i] != '_') text[n++] = lex->source[i];
    text[n] = '\0';
    return text;
}

/* Digits, single underscores between them. */
static void skip_digits(lexer *lex)
{
    while (is_digit(peek(lex, 0)) || (peek(lex, 0) == '_' && is_digit(peek(lex, 1)))) lex->at++;
}

static bool is_radix_digit(int c, int base)
{
    int value = is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;
    return value < base;
}

static tsr_status read_integer(lexer *lex, const char *digits, int base, size_t start, token *out)
{
    errno = 0;
    long long value = strtoll(digits, NULL, base);
    if (errno == ERANGE) return fail(lex, start, lex->at, "this integer does not fit 64 bits; write it with a point for a float");
    out->number = (tsr_scalar){.dtype = TSR_I64, .i = value};
    return TSR_OK;
}

/* 0x1f, 0b101, 0o17 */
static tsr_status lex_radix(lexer *lex, int base, token *out)
{
    size_t start = lex->at;
    lex->at += 2;
    size_t digits = lex->at;
    while (is_radix_digit(peek(lex, 0), base) || (peek(lex, 0) == '_' && is_radix_digit(peek(lex, 1), base))) lex->at++;
    if (lex->at == digits || is_letter(peek(lex, 0)) || is_digit(peek(lex, 0)))
        return fail(lex, start, lex->at + (lex->at < lex->n), "this number has a digit that its base does not know");
    char *text = copy_digits(lex, digits);
    if (!text) return TSR_ERR_MEMORY;
    return read_integer(lex, text, base, start, out);
}

static tsr_status lex_number(lexer *lex, token *out)
{
    size_t start = lex->at;
    int second = peek(lex, 1) | 0x20;
    out->kind = TOKEN_NUMBER;
    if (peek(lex, 0) == '0' && (second == 'x' || second == 'b' || second == 'o'))
        return lex_radix(lex, second == 'x' ? 16 : second == 'b' ? 2 : 8, out);
    bool is_float = false;
    skip_digits(lex);
    if (peek(lex, 0) == '.') {
        is_float = true;
        lex->at++;
        skip_digits(lex);
    }
    if ((peek(lex, 0) | 0x20) == 'e') {
        size_t sign = peek(lex, 1) == '+' || peek(lex, 1) == '-';
        if (is_digit(peek(lex, 1 + sign))) {
            is_float = true;
            lex->at += 1 + sign;
            skip_digits(lex);
        }
    }
    char *text = copy_digits(lex, start);
    if (!text) return TSR_ERR_MEMORY;
    if (peek(lex, 0) == 'j' || peek(lex, 0) == 'J') {
        lex->at++;
        out->number = (tsr_scalar){.dtype = TSR_C128, .imag = strtod(text, NULL)};
    } else if (is_float) {
        out->number = (tsr_scalar){.dtype = TSR_F64, .f = strtod(text, NULL)};
    } else {
        TRY(read_integer(lex, text, 10, start, out));
    }
    if (is_letter(peek(lex, 0))) {
        size_t end = lex->at;
        while (end < lex->n && (is_letter((unsigned char)lex->source[end]) || is_digit((unsigned char)lex->source[end]))) end++;
        return fail(lex, start, end, "a number must not run into a name; put an operator or a blank between them");
    }
    return TSR_OK;
}

static tsr_status lex_string(lexer *lex, token *out)
{
    size_t start = lex->at, n = 0;
    int quote = peek(lex, 0);
    size_t end = ++lex->at;
    while (end < lex->n && lex->source[end] != quote && lex->source[end] != '\n') end += lex->source[end] == '\\' ? 2 : 1;
    if (end >= lex->n || lex->source[end] == '\n')
        return fail(lex, start, end < lex->n ? end : lex->n, "this string has no closing quote");
    char *text = arena_alloc(lex->memory, end - lex->at + 1);
    if (!text) return TSR_ERR_MEMORY;
    for (; lex->at < end; lex->at++) {
        char c = lex->source[lex->at];
        if (c == '\\') {
            c = lex->source[++lex->at];
            if (c == 'n') c = '\n';
            if (c == 't') c = '\t';
        }
        if (c == '\0') return fail(lex, start, end + 1, "a string must not hold a zero byte");
        text[n++] = c;
    }
    lex->at = end + 1;
    *out = (token){.kind = TOKEN_STRING, .text = text};
    return TSR_OK;
}

/* `any name` for variables whose names are not identifiers. */
static tsr_status lex_quoted_name(lexer *lex, token *out)
{
    size_t start = lex->at++;
    while (lex->at < lex->n && lex->source[lex->at] != '`' && lex->source[lex->at] != '\n' && lex->source[lex->at] != '\0')
        lex->at++;
    if (peek(lex, 0) != '`') return fail(lex, start, lex->at, "this quoted name has no closing `");
    if (lex->at == start + 1) return fail(lex, start, lex->at + 1, "a quoted name must not be empty");
    *out = (token){.kind = TOKEN_NAME, .is_quoted = true, .text = copy_text(lex, start + 1, lex->at)};
    lex->at++;
    return out->text ? TSR_OK : TSR_ERR_MEMORY;
}

static tsr_status open_bracket(lexer *lex, char c)
{
    if (lex->n_open == (int)sizeof lex->open) return fail(lex, lex->at, lex->at + 1, "brackets are nested more than 64 deep");
    lex->open_at[lex->n_open] = lex->at;
    lex->open[lex->n_open++] = c;
    return TSR_OK;
}

static tsr_status close_bracket(lexer *lex, char c)
{
    char wanted = c == ')' ? '(' : c == ']' ? '[' : '{';
    if (lex->n_open == 0) {
        lex->error = (span){lex->at, lex->at + 1};
        return error_set(TSR_ERR_SYNTAX, "'%c' closes nothing; there is no '%c' before it", c, wanted);
    }
    if (lex->open[--lex->n_open] != wanted) {
        lex->error = (span){lex->at, lex->at + 1};
        return error_set(TSR_ERR_SYNTAX, "'%c' does not match the '%c' at column %zu", c, lex->open[lex->n_open],
                         lex->open_at[lex->n_open] + 1);
    }
    return TSR_OK;
}

static tsr_status lex_operator(lexer *lex, token *out)
{
    /* Longest first. */
    static const char *const operators[] = {"**=", "//=", "<<=", ">>=", "...", "**", "//", "<<", ">>", "<=", ">=", "==",
                                            "!=",  "+=",  "-=",  "*=",  "/=",  "%=", "&=", "|=", "^=", "@=", ":=", "->",
                                            "+",   "-",   "*",   "/",   "%",   "@",  "<",  ">",  "&",  "|",  "^",  "~",
                                            "=",   "(",   ")",   "[",   "]",   ",",  ":",  ".",  "{",  "}",  "!",  "?"};
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
        size_t n = strlen(operators[i]);
        if (lex->n - lex->at < n || memcmp(lex->source + lex->at, operators[i], n) != 0) continue;
        char c = operators[i][0];
        if (n == 1 && strchr("([{", c)) TRY(open_bracket(lex, c));
        if (n == 1 && strchr(")]}", c)) TRY(close_bracket(lex, c));
        lex->at += n;
        *out = (token){.kind = TOKEN_OPERATOR, .text = operators[i]};
        return TSR_OK;
    }
    int c = peek(lex, 0);
    lex->error = (span){lex->at, lex->at + 1};
    if (c < 0x20 || c == 0x7f) return error_set(TSR_ERR_SYNTAX, "the byte 0x%02x does not belong in an expression", (unsigned)c);
    return error_set(TSR_ERR_SYNTAX, "'%c' does not belong in an expression", c);
}

tsr_status lexer_next(lexer *lex, token *out)
{
    *out = (token){0};
    skip_blank(lex);
    size_t start = lex->at;
    int c = peek(lex, 0);
    tsr_status status = TSR_OK;
    if (c < 0) {
        if (lex->n_open > 0) {
            size_t at = lex->open_at[lex->n_open - 1];
            lex->error = (span){at, at + 1};
            return error_set(TSR_ERR_SYNTAX, "this '%c' is never closed", lex->open[lex->n_open - 1]);
        }
        out->kind = TOKEN_END;
    } else if (c == ';' || c == '\n') {
        lex->at++;
        out->kind = TOKEN_SEPARATOR;
        out->text = c == ';' ? ";" : "end of line";
        if (lex->n_open > 0) return fail(lex, start, start + 1, "';' must not stand inside brackets");
    } else if (is_digit(c) || (c == '.' && is_digit(peek(lex, 1)))) {
        status = lex_number(lex, out);
    } else if (c == '"' || c == '\'') {
        status = lex_string(lex, out);
    } else if (c == '`') {
        status = lex_quoted_name(lex, out);
    } else if (is_letter(c)) {
        while (is_letter(peek(lex, 0)) || is_digit(peek(lex, 0))) lex->at++;
        *out = (token){.kind = TOKEN_NAME, .text = copy_text(lex, start, lex->at)};
        if (!out->text) status = TSR_ERR_MEMORY;
    } else {
        status = lex_operator(lex, out);
    }
    out->at = (span){start, lex->at};
    return status;
}
