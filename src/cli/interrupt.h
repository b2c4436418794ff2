/* Ctrl-C and its relatives: the running computation is cancelled, unfinished files are removed by the normal way out, and the
 * program ends with 128 + the signal's number. A second signal ends it at once, unless the program takes that, too. */
#ifndef TESSERA_CLI_INTERRUPT_H
#define TESSERA_CLI_INTERRUPT_H

#include "tessera.h"

#include <stdbool.h>

void interrupt_install(void);
/* The session that a signal cancels; NULL: none. */
void interrupt_attach(tsr_session *session);
/* The signal that arrived last, 0 for none. */
int interrupt_signal(void);
/* How many signals there were. The program says that it looks at so many: only the next one after these ends it at once. */
int interrupt_count(void);
void interrupt_take(int n_signals);

#endif
