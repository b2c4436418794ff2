/* Text from files and users on its way to terminals and pictures: attributes may hold any bytes. */
#ifndef TESSERA_CLI_TEXT_H
#define TESSERA_CLI_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Writes text with control characters made visible (\x1b), so that no file talks to the terminal. Tabs stay, and newlines if
 * `has_lines`. */
void text_put(FILE *f, const char *text, bool has_lines);
/* The same text as valid UTF-8 without control characters: bytes that are none are taken for Latin-1, as old files write "°C".
 * What does not fit is cut off. Returns `buffer`. */
const char *text_drawable(const char *text, char *buffer, size_t size);

#endif
