/* The expression language: source text -> tokens (lex.c) -> tree (parse.c). Nothing here knows about files or arrays.
 *
 *   program    = [ statement ] { ( ";" | newline ) [ statement ] }
 *   statement  = [ name { "," name } ( "=" | "+=" | "-=" ... ) ] expression { "," expression }
 *   expression = Python's operators:  **  unary + - ~  * / // % @  + -  << >>  &  ^  |  comparisons (one at a time)
 *   primary    = number | string | name | "(" ... ")" | "[" ... "]" | primary "." name | primary "(" arguments ")" |
 *                primary "[" indices "]"
 *   index      = expression | slice | "..." | name "=" ( expression | slice )
 *
 * A tree lives in the arena that the parser was given. Its height is bounded, so that whoever walks it may recurse. */
#ifndef TESSERA_CLI_AST_H
#define TESSERA_CLI_AST_H

#include "base/arena.h"
#include "base/error.h"

/* A piece of the source text, in bytes. */
typedef struct span {
    size_t start, end;
} span;

/* ---- Tokens ------------------------------------------------------------------------------------------------------ */

typedef enum token_kind {
    TOKEN_END,       /* of the text */
    TOKEN_SEPARATOR, /* ; or a newline outside brackets */
    TOKEN_NUMBER,
    TOKEN_STRING,
    TOKEN_NAME,
    TOKEN_OPERATOR
} token_kind;

typedef struct token {
    token_kind kind;
    span at;
    const char *text;  /* names: the name; strings: the decoded text; operators: "+", "**", "<=" ...; owned by the arena */
    bool is_quoted;    /* a name written in backquotes: never a keyword */
    tsr_scalar number; /* i64, f64 or c128 */
} token;

typedef struct lexer {
    arena *memory;
    const char *source;
    size_t n, at;
    int n_open;    /* brackets that are open: newlines do not count inside them */
    char open[64]; /* which ones */
    size_t open_at[64];
    span error; /* where the last failure was */
} lexer;

void lexer_init(lexer *lex, arena *memory, const char *source, size_t n);
/* The next token. TSR_ERR_SYNTAX, with lex->error set to the place. */
tsr_status lexer_next(lexer *lex, token *out) MUST_CHECK;

/* ---- Trees ------------------------------------------------------------------------------------------------------- */

typedef enum ast_kind {
    AST_NUMBER,
    AST_STRING,
    AST_NAME,
    AST_ELLIPSIS,
    AST_TUPLE,     /* items */
    AST_LIST,      /* items */
    AST_ATTRIBUTE, /* items[0] . text */
    AST_CALL,      /* items[0] ( items[1..] ), keywords among them as AST_KEYWORD */
    AST_INDEX,     /* items[0] [ items[1..] ] */
    AST_KEYWORD,   /* text = items[0] */
    AST_SLICE,     /* items[0] : items[1] : items[2], each may be NULL */
    AST_UNARY,     /* text is NumPy's name of the operation: "negative" */
    AST_BINARY     /* the same: "add"; comparisons too */
} ast_kind;

typedef struct ast {
    ast_kind kind;
    span at;
    span token_at; /* the operator, the attribute's name, the keyword's name */
    const char *text;
    tsr_scalar number;
    int n_items;
    struct ast **items;
    int height; /* 1 for a leaf */
} ast;

typedef struct ast_statement {
    span at;
    int n_targets; /* 0: a bare expression */
    const char **targets;
    span *target_at;
    const char *update; /* "add" for +=; NULL for = */
    ast *value;
} ast_statement;

typedef struct ast_program {
    const char *source;
    size_t n_source;
    int n_statements;
    ast_statement *statements;
} ast_program;

enum { AST_MAX_SOURCE = 1 << 20, AST_MAX_NESTING = 100, AST_MAX_HEIGHT = 1000 };

/* Reads a whole program. TSR_ERR_SYNTAX with *error set to the place. An empty program is an error. */
tsr_status parse_program(arena *memory, const char *source, size_t n, ast_program *out, span *error) MUST_CHECK;

/* The lines that show a place in a source text: the line and a caret below it, indented by two blanks. Long lines are cut to
 * about 100 columns around the place. The caller frees it with mem_free; NULL when memory is short. */
char *source_snippet(const char *source, size_t n, span at);

/* ---- Names ------------------------------------------------------------------------------------------------------- */

/* The best match for a mistyped name: feed it the candidates, then ask. */
typedef struct nearest {
    const char *wanted;
    const char *best;
    int distance;
} nearest;

nearest nearest_start(const char *wanted);
void nearest_consider(nearest *n, const char *candidate);
/* "; did you mean 'x'?" or "". Returns `buffer`. */
const char *nearest_hint(const nearest *n, char *buffer, size_t size);

#endif
